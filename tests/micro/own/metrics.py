"""A metric of one's own, as a user writes it."""


def answer_words(rows):
    """Words of each answer to a question of the forget set."""
    return [len(text.split()) for text in rows["forget"]["generation"]], "higher"
