"""Token ids and labels of question-answer rows, of texts and of documents."""

from dataclasses import dataclass, replace

from tokenizers.processors import TemplateProcessing

from unlearning.data.prompts import PromptFormat
from unlearning.errors import UserError

IGNORED = -100  # the label of a position that bears no loss


@dataclass(frozen=True)
class Example:
    """One sequence. Labels are ids[start:]; where they begin follows from the prompt's length,
    never from the pad id, so that an end-of-turn token in the prompt stays masked in the prompt
    only (open-unlearning issue 128).
    """

    ids: tuple[int, ...]
    start: int
    reference_nll: float | None = None

    def with_reference(self, nll: float) -> "Example":
        """The same sequence with its summed NLL under the target model."""
        return replace(self, reference_nll=nll)


class Tokens:
    """Token ids of texts with what a tokenizer puts before a text (BOS), and without what it puts
    after one: a tokenizer that appends the end of sequence by itself would have answers begin
    after it. Who needs an end appends it."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.before: list[int] | None = None  # known from the first text

    def __call__(self, texts: list[str], special_tokens: bool = True) -> list[list[int]]:
        """The ids of each text; with special_tokens after those that the tokenizer puts first."""
        # all at once: a call takes longer than a text
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        if not special_tokens:
            return ids
        if self.before is None:
            self.before = self._special_before(texts, ids)
        return [[*self.before, *text] for text in ids]

    def _special_before(self, texts: list[str], ids: list[list[int]]) -> list[int]:
        """The special tokens before a text: what stands there beside its ids without any."""
        text, bare = next((pair for pair in zip(texts, ids, strict=True) if pair[1]), ("", []))
        encoded = self.tokenizer(text, return_special_tokens_mask=True)
        full, special = encoded["input_ids"], encoded["special_tokens_mask"]
        marked = next((i for i, mark in enumerate(special) if not mark), 0)
        for first in (marked, *range(len(full))):  # tokenizers in Python may mark nothing
            if bare and full[first : first + len(bare)] == bare:
                return full[:first]
        raise UserError(
            f"the tokenizer of {self.tokenizer.name_or_path} cannot be used: {text!r} becomes "
            f"{bare} without special tokens and {full} with them, which does not hold the former"
        )


def without_endings(tokenizer):
    """A tokenizer that puts the same before a text as `tokenizer`, and nothing after it: for code
    that is not ours (lm-eval measures answers by the length of prompts with all special tokens).

    It is changed in place, if it appends anything; UserError if it cannot be.
    """
    text = "a"
    tokens = Tokens(tokenizer)
    ids = tokens([text])[0]
    if tokenizer(text)["input_ids"] == ids:
        return tokenizer
    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path} appends special tokens to each text: save "
            "it as tokenizer.json, or set add_eos_token to false in its tokenizer_config.json"
        )
    names = tokenizer.convert_ids_to_tokens(tokens.before)
    special = list(dict(zip(names, tokens.before, strict=True)).items())
    template = TemplateProcessing(single=[*names, "$A"], special_tokens=special)
    tokenizer.backend_tokenizer.post_processor = template
    return tokenizer


class Encoder:
    """Encodes rows for one tokenizer and prompt format.

    The official rule (TOFU data_module.py): prompt and answer are tokenised as one text, cut at
    max_length; the token that ends answers follows, labelled, unless the text fills max_length.
    context: positions of the model; UserError for a row that is longer.
    """

    def __init__(
        self, tokenizer, prompt: PromptFormat, max_length: int, context: int | None = None
    ):
        self.tokenizer, self.prompt, self.max_length = tokenizer, prompt, max_length
        self.context = context
        if tokenizer.eos_token_id is None:
            raise UserError(
                f"the tokenizer of {tokenizer.name_or_path} has no end-of-sequence token: every "
                "answer must end in one. Set eos_token in its tokenizer_config.json"
            )
        self.tokens = Tokens(tokenizer)
        self.end: int = tokenizer.eos_token_id
        if prompt.end is not None:
            self.end = tokenizer.convert_tokens_to_ids(prompt.end)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self.tokens(texts, self.prompt.special_tokens)

    def prompt_ids(self, question: str) -> list[int]:
        """The prompt that generation continues."""
        return self._ids([self.prompt.prompt(question)])[0]

    def encode(self, question: str, answer: str) -> Example:
        """The row as one sequence whose answer is labelled."""
        return self.encode_all([(question, answer)])[0]

    def encode_all(self, pairs: list[tuple[str, str]]) -> list[Example]:
        """encode() of each question and answer."""
        if not pairs:
            return []
        prompts = [self.prompt.prompt(question) for question, _ in pairs]
        texts = [p + self.prompt.answer(a) for p, (_, a) in zip(prompts, pairs, strict=True)]
        distinct = list(dict.fromkeys(prompts))
        lengths = dict(zip(distinct, map(len, self._ids(distinct)), strict=True))
        return [
            self._labelled(ids, lengths[prompt])
            for ids, prompt in zip(self._ids(texts), prompts, strict=True)
        ]

    def _labelled(self, ids: list[int], prompt: int) -> Example:
        ids = ids[: self.max_length]
        if len(ids) < self.max_length:
            ids = [*ids, self.end]
        return self._example(ids, min(max(prompt, 1), len(ids) - 1))

    def _example(self, ids: list[int], start: int) -> Example:
        if self.context is not None and len(ids) > self.context:
            raise UserError(
                f"the model reads {self.context} tokens (max_position_embeddings), but a row has "
                f"{len(ids)}: lower max_length (found {self.max_length}), or take a model with a "
                f"longer context. The row: {self.tokenizer.decode(ids)[:200]!r}"
            )
        return Example(tuple(ids), start)

    def encode_rows(self, rows: list[dict]) -> list[Example]:
        """encode() of each row's question and answer; chunks() of rows that are texts; document()
        of rows that are documents."""
        if "text" in rows[0]:
            return self.chunks([row["text"] for row in rows])
        if "document" in rows[0]:
            return [self.document(row["document"]) for row in rows]
        return self.encode_all([(row["question"], row["answer"]) for row in rows])

    def document(self, text: str) -> Example:
        """A text as one sequence, cut at max_length, with every token labelled but the first,
        which nothing predicts.

        As released (WMDP folder of OPTML-Group/Unlearn-Simple), less the padding: the release fills
        up to max_length with the end-of-sequence token and labels that as well.
        """
        return self._example(self.tokens([text])[0][: self.max_length], 1)

    def chunks(self, texts: list[str]) -> list[Example]:
        """All texts as one, cut into sequences of max_length tokens with every token labelled.

        As released (MUSE baselines/dataset.py on a .txt file): texts are joined by an empty line;
        each chunk starts with BOS, if the tokenizer has one; the last chunk is filled up from the
        first, BOS included. Nothing predicts the first token, so labels start after it.
        """
        tokenizer = self.tokenizer
        ids = tokenizer("\n\n".join(texts), add_special_tokens=False)["input_ids"]
        bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        room = self.max_length - len(bos)
        found = [[*bos, *ids[first : first + room]] for first in range(0, len(ids), room)]
        found[-1] = [*found[-1], *found[0]][: self.max_length]
        return [self._example(chunk, 1) for chunk in found]
