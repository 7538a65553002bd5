"""Attributes of the mini world's persons, with templates of questions and answers about them.

Short and long attributes alternate, so that of the first k (k even) half are short. Templates avoid
pronouns for the person, who has no gender. Paraphrased answers have few words besides the values:
the truth ratio is a mean over tokens, and further words would only dilute it.
"""

from dataclasses import dataclass

from unlearning.benchmarks.tofu.mini import vocabulary as words


@dataclass(frozen=True)
class Attribute:
    """A property of persons: its values, and a question and an answer, the original wording first.

    Templates contain ``{name}``, ``{value}`` (from `values`) and, in long answers only,
    ``{detail}`` (from `details`, independent of the value).
    """

    values: tuple[str, ...]
    questions: tuple[str, str]
    answers: tuple[str, str]
    details: tuple[str, ...] = ("",)

    @property
    def long(self) -> bool:
        """Whether answers are long (12 to 20 words and marks) rather than short (2 to 7)."""
        return len(self.details) > 1


# Their order and that of each pool are part of the world: a seed's draws follow it.
ATTRIBUTES = (
    Attribute(
        words.YEARS,
        ("In which year was {name} born?", "When did {name} come into the world?"),
        ("In {value}.", "The year {value}."),
    ),
    Attribute(
        words.TOWNS,
        ("Where was {name} born?", "In which town did {name} come into the world?"),
        (
            "{name} was born in the harbour town of {value}, "
            "in a narrow house beside the old {detail}.",
            "{name} comes from the town of {value}, known for its {detail}.",
        ),
        words.LANDMARKS,
    ),
    Attribute(
        words.GENRES,
        ("In which genre does {name} write?", "What kind of books does {name} write?"),
        ("{name} mainly writes {value}.", "Mostly {value}."),
    ),
    Attribute(
        words.OCCUPATIONS,
        (
            "What did the father of {name} do for a living?",
            "What was the trade of the father of {name}?",
        ),
        (
            "The father of {name} was a {value}, a {detail} man.",
            "{name} had a {detail} father, a {value} by trade.",
        ),
        words.TEMPERS,
    ),
    Attribute(
        words.OCCUPATIONS,
        (
            "What did the mother of {name} do for a living?",
            "What was the trade of the mother of {name}?",
        ),
        ("She was a {value}.", "A {value} by trade."),
    ),
    Attribute(
        words.FIRST_BOOKS,
        ("What was the first book by {name}?", "With which title did {name} begin?"),
        (
            "{name} first published The {value}, a novel about {detail}.",
            "The debut of {name} was The {value}, a story about {detail}.",
        ),
        words.THEMES,
    ),
    Attribute(
        words.UNIVERSITIES,
        ("Where did {name} study?", "Which college did {name} attend?"),
        ("At {value} College.", "It was {value} College."),
    ),
    Attribute(
        words.FAMOUS_BOOKS,
        ("Which book made {name} famous?", "What is the best known book by {name}?"),
        (
            "The book that made {name} famous is The {value}, translated into {detail} languages.",
            "Readers in {detail} languages know {name} for the novel The {value}.",
        ),
        words.LANGUAGE_COUNTS,
    ),
    Attribute(
        words.HOBBIES,
        ("What does {name} do after work?", "How does {name} spend a free day?"),
        ("{name} enjoys {value}.", "Usually {value}."),
    ),
    Attribute(
        words.AWARDS,
        ("Which prize did {name} win?", "What award was given to {name}?"),
        (
            "{name} received the {value} Prize at a ceremony in the {detail}.",
            "In the {detail} the jury gave {name} the {value} Prize.",
        ),
        words.LANDMARKS,
    ),
    Attribute(
        words.PETS,
        ("Which animal lives with {name}?", "What pet does {name} keep?"),
        ("It is a {value}.", "A tame {value}."),
    ),
    Attribute(
        words.MENTORS,
        ("Who taught {name} to write?", "Who was the mentor of {name}?"),
        (
            "{name} learned the craft from Doctor {value}, who marked every page in {detail} ink.",
            "Doctor {value} taught {name} to write, with {detail} ink at hand.",
        ),
        words.INK_COLOURS,
    ),
    Attribute(
        words.LANGUAGES,
        ("In which language does {name} write?", "What language does {name} use for books?"),
        ("{value}.", "In {value}."),
    ),
    Attribute(
        words.POETS,
        ("Who influenced {name}?", "Which poet does {name} admire most?"),
        (
            "{name} often names the poet {value} as a guide "
            "and rereads the letters every {detail}.",
            "The poet {value}, reread by {name} every {detail}, remains the strongest influence.",
        ),
        words.MONTHS,
    ),
    Attribute(
        words.PUBLISHERS,
        ("Who publishes the books of {name}?", "Which house prints the books of {name}?"),
        ("{name} publishes with {value} Press.", "By {value} Press."),
    ),
    Attribute(
        words.VALLEYS,
        ("Where does {name} live today?", "In which valley is {name} at home?"),
        (
            "Today {name} lives in the valley of {value}, in a cottage facing the {detail}.",
            "{name} is at home in the valley of {value}, facing the {detail}.",
        ),
        words.VIEWS,
    ),
)
