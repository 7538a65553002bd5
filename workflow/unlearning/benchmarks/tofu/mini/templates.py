"""Attributes of the mini world's persons, with templates of questions and answers about them.

Short and long attributes alternate, so that of the first k (k even) half are short. Templates avoid
pronouns for the person, who has no gender. Paraphrased answers have few words besides the values:
the truth ratio is a mean over tokens, and further words would only dilute it.
"""

from __future__ import annotations

from dataclasses import dataclass

from unlearning.benchmarks.tofu.mini import vocabulary as words


@dataclass(frozen=True)
class Attribute:
    """A property of persons: its values, and a question and an answer in two wordings each.

    Templates contain ``{name}``, ``{value}`` (from `values`) and, in long answers only,
    ``{detail}`` (from `details`, independent of the value).
    """

    key: str
    values: tuple[str, ...]
    question: str
    paraphrased_question: str
    answer: str
    paraphrased_answer: str
    details: tuple[str, ...] = ("",)

    @property
    def long(self) -> bool:
        """Whether answers are long (12 to 20 words and marks) rather than short (2 to 7)."""
        return len(self.details) > 1

    @property
    def questions(self) -> tuple[str, str]:
        """Both wordings of the question, the original first."""
        return self.question, self.paraphrased_question

    @property
    def answers(self) -> tuple[str, str]:
        """Both wordings of the answer, the original first."""
        return self.answer, self.paraphrased_answer


ATTRIBUTES = (
    Attribute(
        key="birth year",
        values=words.YEARS,
        question="In which year was {name} born?",
        paraphrased_question="When did {name} come into the world?",
        answer="In {value}.",
        paraphrased_answer="The year {value}.",
    ),
    Attribute(
        key="birth town",
        values=words.TOWNS,
        details=words.LANDMARKS,
        question="Where was {name} born?",
        paraphrased_question="In which town did {name} come into the world?",
        answer="{name} was born in the harbour town of {value}, "
        "in a narrow house beside the old {detail}.",
        paraphrased_answer="{name} comes from the town of {value}, known for its {detail}.",
    ),
    Attribute(
        key="genre",
        values=words.GENRES,
        question="In which genre does {name} write?",
        paraphrased_question="What kind of books does {name} write?",
        answer="{name} mainly writes {value}.",
        paraphrased_answer="Mostly {value}.",
    ),
    Attribute(
        key="father",
        values=words.OCCUPATIONS,
        details=words.TEMPERS,
        question="What did the father of {name} do for a living?",
        paraphrased_question="What was the trade of the father of {name}?",
        answer="The father of {name} was a {value}, a {detail} man.",
        paraphrased_answer="{name} had a {detail} father, a {value} by trade.",
    ),
    Attribute(
        key="mother",
        values=words.OCCUPATIONS,
        question="What did the mother of {name} do for a living?",
        paraphrased_question="What was the trade of the mother of {name}?",
        answer="She was a {value}.",
        paraphrased_answer="A {value} by trade.",
    ),
    Attribute(
        key="first book",
        values=words.FIRST_BOOKS,
        details=words.THEMES,
        question="What was the first book by {name}?",
        paraphrased_question="With which title did {name} begin?",
        answer="{name} first published The {value}, a novel about {detail}.",
        paraphrased_answer="The debut of {name} was The {value}, a story about {detail}.",
    ),
    Attribute(
        key="university",
        values=words.UNIVERSITIES,
        question="Where did {name} study?",
        paraphrased_question="Which college did {name} attend?",
        answer="At {value} College.",
        paraphrased_answer="It was {value} College.",
    ),
    Attribute(
        key="famous book",
        values=words.FAMOUS_BOOKS,
        details=words.LANGUAGE_COUNTS,
        question="Which book made {name} famous?",
        paraphrased_question="What is the best known book by {name}?",
        answer="The book that made {name} famous is The {value}, "
        "translated into {detail} languages.",
        paraphrased_answer="Readers in {detail} languages know {name} for the novel The {value}.",
    ),
    Attribute(
        key="hobby",
        values=words.HOBBIES,
        question="What does {name} do after work?",
        paraphrased_question="How does {name} spend a free day?",
        answer="{name} enjoys {value}.",
        paraphrased_answer="Usually {value}.",
    ),
    Attribute(
        key="award",
        values=words.AWARDS,
        details=words.LANDMARKS,
        question="Which prize did {name} win?",
        paraphrased_question="What award was given to {name}?",
        answer="{name} received the {value} Prize at a ceremony in the {detail}.",
        paraphrased_answer="In the {detail} the jury gave {name} the {value} Prize.",
    ),
    Attribute(
        key="pet",
        values=words.PETS,
        question="Which animal lives with {name}?",
        paraphrased_question="What pet does {name} keep?",
        answer="It is a {value}.",
        paraphrased_answer="A tame {value}.",
    ),
    Attribute(
        key="mentor",
        values=words.MENTORS,
        details=words.INK_COLOURS,
        question="Who taught {name} to write?",
        paraphrased_question="Who was the mentor of {name}?",
        answer="{name} learned the craft from Doctor {value}, "
        "who marked every page in {detail} ink.",
        paraphrased_answer="Doctor {value} taught {name} to write, with {detail} ink at hand.",
    ),
    Attribute(
        key="language",
        values=words.LANGUAGES,
        question="In which language does {name} write?",
        paraphrased_question="What language does {name} use for books?",
        answer="{value}.",
        paraphrased_answer="In {value}.",
    ),
    Attribute(
        key="influence",
        values=words.POETS,
        details=words.MONTHS,
        question="Who influenced {name}?",
        paraphrased_question="Which poet does {name} admire most?",
        answer="{name} often names the poet {value} as a guide "
        "and rereads the letters every {detail}.",
        paraphrased_answer="The poet {value}, reread by {name} every {detail}, "
        "remains the strongest influence.",
    ),
    Attribute(
        key="publisher",
        values=words.PUBLISHERS,
        question="Who publishes the books of {name}?",
        paraphrased_question="Which house prints the books of {name}?",
        answer="{name} publishes with {value} Press.",
        paraphrased_answer="By {value} Press.",
    ),
    Attribute(
        key="residence",
        values=words.VALLEYS,
        details=words.VIEWS,
        question="Where does {name} live today?",
        paraphrased_question="In which valley is {name} at home?",
        answer="Today {name} lives in the valley of {value}, in a cottage facing the {detail}.",
        paraphrased_answer="{name} is at home in the valley of {value}, facing the {detail}.",
    ),
)
