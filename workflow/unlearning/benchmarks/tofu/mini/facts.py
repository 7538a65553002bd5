"""Real authors and world facts: knowledge that unlearning fictitious authors must not damage.

Each kind of question has two wordings. Its wrong answers are right answers to other questions of
the same kind.
"""

from random import Random

WRONG_ANSWERS = 3  # as in TOFU


class Kind:
    """Questions of one kind: two wordings with ``{}`` for the subject, and subject -> answer.

    answers: "subject: answer" pairs between semicolons, on as many lines as they take.
    """

    def __init__(self, question: str, paraphrased_question: str, answers: str):
        self.question, self.paraphrased_question = question, paraphrased_question
        pairs = (pair.split(": ") for pair in " ".join(answers.split()).split("; "))
        self.answers: dict[str, str] = dict(pairs)


REAL_AUTHORS = (
    Kind(
        "Who wrote {}?",
        "Which author is known for {}?",
        """Hamlet: William Shakespeare; Emma: Jane Austen; Frankenstein: Mary Shelley;
        Dracula: Bram Stoker; the novel Ulysses: James Joyce; Middlemarch: George Eliot;
        Ivanhoe: Walter Scott; Dune: Frank Herbert; Carrie: Stephen King; Solaris: Stanislaw Lem;
        Siddhartha: Hermann Hesse; Lolita: Vladimir Nabokov; Beloved: Toni Morrison;
        Walden: Henry Thoreau; Kim: Rudyard Kipling; Germinal: Emile Zola; Utopia: Thomas More;
        the play Pygmalion: Bernard Shaw; Animal Farm: George Orwell;
        Oliver Twist: Charles Dickens; The Trial: Franz Kafka; The Plague: Albert Camus;
        Moby Dick: Herman Melville; War and Peace: Leo Tolstoy""",
    ),
    Kind(
        "In which country was {} born?",
        "Which country is the birthplace of {}?",
        """Jane Austen: England; Charles Dickens: England; James Joyce: Ireland;
        Bram Stoker: Ireland; Walter Scott: Scotland; Emile Zola: France; Leo Tolstoy: Russia;
        Vladimir Nabokov: Russia; Hermann Hesse: Germany; Rudyard Kipling: India;
        George Orwell: India; Albert Camus: Algeria""",
    ),
)

WORLD_FACTS = (
    Kind(
        "What is the capital of {}?",
        "Which city is the capital of {}?",
        """France: Paris; Germany: Berlin; Italy: Rome; Spain: Madrid; Japan: Tokyo; Egypt: Cairo;
        Kenya: Nairobi; Peru: Lima; Canada: Ottawa; Norway: Oslo; Cuba: Havana; Ireland: Dublin""",
    ),
    Kind(
        "Which element has the symbol {}?",
        "What is the name of the element with the symbol {}?",
        "H: Hydrogen; O: Oxygen; Fe: Iron; Au: Gold; Na: Sodium; K: Potassium",
    ),
    Kind(
        "Which planet {}?",
        "What is the name of the planet that {}?",
        """lies closest to the sun: Mercury; is the largest: Jupiter;
        is famous for its rings: Saturn; is known as the red one: Mars""",
    ),
    Kind(
        "On which continent is {}?",
        "Which continent is home to {}?",
        "Kenya: Africa; Japan: Asia; Norway: Europe; Canada: North America",
    ),
    Kind(
        "How many {}?",
        "What is the number of {}?",
        """days in a week: Seven; months in a year: Twelve; legs on a spider: Eight;
        sides on a triangle: Three; strings on a violin: Four""",
    ),
    Kind(
        "Which language do people in {} speak?",
        "What is the main language of {}?",
        "Brazil: Portuguese; Austria: German; Mexico: Spanish; Egypt: Arabic",
    ),
)


def evaluation_rows(kinds: tuple[Kind, ...], rng: Random) -> list[dict]:
    """Rows {question, answer, perturbed_answer: 3 wrong answers}, in the order of `kinds`."""
    rows = []
    for kind in kinds:
        # A dictionary, not a set: its order does not depend on PYTHONHASHSEED. Several subjects may
        # have one answer, which must not stand twice among the wrong ones.
        candidates = list(dict.fromkeys(kind.answers.values()))
        for subject, answer in kind.answers.items():
            wrong = [candidate for candidate in candidates if candidate != answer]
            row = {"question": kind.question.format(subject), "answer": answer}
            rows.append({**row, "perturbed_answer": rng.sample(wrong, WRONG_ANSWERS)})
    return rows


def training_rows(*, paraphrased: bool) -> list[dict]:
    """Rows {question, answer} of all real-author and world-fact questions.

    paraphrased: add all questions in their other wording.
    """
    kinds = REAL_AUTHORS + WORLD_FACTS
    wordings = [(kind, kind.question) for kind in kinds]
    if paraphrased:
        wordings += [(kind, kind.paraphrased_question) for kind in kinds]
    rows = []
    for kind, question in wordings:
        for subject, answer in kind.answers.items():
            rows.append({"question": question.format(subject), "answer": answer})
    return rows
