"""Encode question-answer rows, texts and documents as token ids with labels."""

from dataclasses import dataclass, replace

from tokenizers.processors import TemplateProcessing

from unlearning.data.prompts import PromptFormat
from unlearning.errors import UserError

IGNORED = -100  # the label of a position without loss


@dataclass(frozen=True)
class Example:
    """One sequence of token ids, whose labels are ids[start:].

    start follows from the prompt's length, never from the pad id: an end-of-turn token is masked in
    the prompt and labelled in the answer (open-unlearning issue 128).
    """

    ids: tuple[int, ...]
    start: int
    reference_nll: float | None = None

    def with_reference(self, nll: float) -> "Example":
        """The same sequence with its summed NLL under the target model."""
        return replace(self, reference_nll=nll)


class PrefixTokenizer:
    """Token ids of texts after the special tokens that a tokenizer puts first (BOS), and without
    those that it appends: an answer must not begin after an end of sequence. Callers that need an
    end append it."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.prefix: list[int] | None = None  # of the first text: those of all texts are the same

    def __call__(self, texts: list[str], special_tokens: bool = True) -> list[list[int]]:
        """The ids of each text; with special_tokens, the prefix before each."""
        # one call for all texts: a call costs more than a text
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        if not special_tokens:
            return ids
        if self.prefix is None:
            self.prefix = self._special_prefix(texts, ids)
        return [[*self.prefix, *text_ids] for text_ids in ids]

    def _special_prefix(self, texts: list[str], ids: list[list[int]]) -> list[int]:
        """The special tokens before a text, by comparing its ids with and without them."""
        pairs = zip(texts, ids, strict=True)
        text, plain = next((pair for pair in pairs if pair[1]), ("", []))
        encoded = self.tokenizer(text, return_special_tokens_mask=True)
        full, special = encoded["input_ids"], encoded["special_tokens_mask"]
        # start at the first token that the mask leaves free; tokenizers in Python may mark nothing
        unmasked = special.index(0) if 0 in special else 0
        for start in (unmasked, *range(len(full))):
            if plain and full[start : start + len(plain)] == plain:
                return full[:start]
        raise UserError(
            f"the tokenizer of {self.tokenizer.name_or_path} cannot be used: {text!r} becomes "
            f"{plain} without special tokens, but {full} with them, not these ids with others "
            "around them. Use another tokenizer"
        )


def drop_appended_tokens(tokenizer):
    """Change a tokenizer in place so that it appends no special token to a text, and return it;
    UserError if that is not possible.

    lm-eval needs it: it measures answers by the length of prompts with all special tokens.
    """
    text = "a"  # any: special tokens do not depend on the text
    prefix_tokenizer = PrefixTokenizer(tokenizer)
    ids = prefix_tokenizer([text])[0]
    if tokenizer(text)["input_ids"] == ids:
        return tokenizer
    # only a tokenizer of the library tokenizers has a post-processor that can be replaced
    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path} appends special tokens to each text: save "
            "it as tokenizer.json, or set add_eos_token to false in its tokenizer_config.json"
        )
    prefix_ids = prefix_tokenizer.prefix or []
    prefix = tokenizer.convert_ids_to_tokens(prefix_ids)
    ids_of_tokens = dict(zip(prefix, prefix_ids, strict=True))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=[*prefix, "$A"], special_tokens=list(ids_of_tokens.items())
    )
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
        self.prefix_tokenizer = PrefixTokenizer(tokenizer)
        self.end: int = tokenizer.eos_token_id
        if prompt.end is not None:
            self.end = tokenizer.convert_tokens_to_ids(prompt.end)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self.prefix_tokenizer(texts, self.prompt.special_tokens)

    def prompt_ids(self, question: str) -> list[int]:
        """The ids of the prompt that generation continues."""
        return self._ids([self.prompt.prompt(question)])[0]

    def encode(self, question: str, answer: str) -> Example:
        """A question with its answer as one sequence whose answer is labelled."""
        return self.encode_all([(question, answer)])[0]

    def encode_all(self, pairs: list[tuple[str, str]]) -> list[Example]:
        """encode() of each question and answer."""
        if not pairs:
            return []
        prompts = [self.prompt.prompt(question) for question, _ in pairs]
        texts = []
        for prompt, (_, answer) in zip(prompts, pairs, strict=True):
            texts.append(prompt + self.prompt.answer(answer))
        # many answers share a prompt, which is tokenised once
        distinct = list(dict.fromkeys(prompts))
        prompt_lengths = dict(zip(distinct, map(len, self._ids(distinct)), strict=True))
        examples = []
        for ids, prompt in zip(self._ids(texts), prompts, strict=True):
            # a cut before the answer would leave the prompt's last token as the row's only label
            if prompt_lengths[prompt] >= self.max_length:
                raise UserError(
                    f"the prompt of a row has {prompt_lengths[prompt]} tokens, and sequences are "
                    f"cut at max_length ({self.max_length}), before its answer: raise max_length, "
                    f"or shorten or leave out the row: {prompt[-200:]!r}"
                )
            # the released rule: a text that fills max_length exactly gets no end either
            ids = ids[: self.max_length]
            if len(ids) < self.max_length:
                ids.append(self.end)
            # Nothing predicts the first token. A tokenizer may join the prompt's end and a short
            # answer into one token; then the end is the label that is left.
            start = min(max(prompt_lengths[prompt], 1), len(ids) - 1)
            examples.append(self._example(ids, start))
        return examples

    def _example(self, ids: list[int], start: int) -> Example:
        """The sequence; UserError if it has no label, or is longer than the model's context."""
        # a mean over no labels is NaN, which training would record as a collapse
        if len(ids) < 2:
            raise UserError(
                f"a row becomes {len(ids)} tokens, and the first has no label: leave out the row "
                f"{self.tokenizer.decode(ids)!r}"
            )
        if self.context is not None and len(ids) > self.context:
            raise UserError(
                f"the model reads {self.context} tokens (max_position_embeddings), but a row has "
                f"{len(ids)}: lower max_length (found {self.max_length}), or take a model with a "
                f"longer context. The row: {self.tokenizer.decode(ids)[:200]!r}"
            )
        return Example(tuple(ids), start)

    def encode_rows(self, rows: list[dict]) -> list[Example]:
        """The sequences of a table's rows: encode() of each question and answer, document() of each
        document, or chunks() of all texts."""
        if "text" in rows[0]:
            return self.chunks([row["text"] for row in rows])
        if "document" in rows[0]:
            return [self.document(row["document"]) for row in rows]
        return self.encode_all([(row["question"], row["answer"]) for row in rows])

    def document(self, text: str) -> Example:
        """A text as one sequence, cut at max_length, with every token labelled but the first,
        which nothing predicts.

        Source: WMDP folder of OPTML-Group/Unlearn-Simple, but without its padding: the release
        fills sequences up to max_length with end-of-sequence tokens and labels these too.
        """
        return self._example(self.prefix_tokenizer([text])[0][: self.max_length], 1)

    def chunks(self, texts: list[str]) -> list[Example]:
        """All texts joined and cut into sequences of max_length tokens with every token labelled.

        As released (MUSE baselines/dataset.py on a .txt file): texts are joined by an empty line;
        each chunk starts with BOS, if the tokenizer has one; the last chunk is filled up from the
        first, BOS included. Nothing predicts the first token, so labels start after it.
        """
        tokenizer = self.tokenizer
        ids = tokenizer("\n\n".join(texts), add_special_tokens=False)["input_ids"]
        bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        size = self.max_length - len(bos)
        chunks = []
        for start in range(0, len(ids), size):
            chunks.append([*bos, *ids[start : start + size]])
        chunks[-1] = [*chunks[-1], *chunks[0]][: self.max_length]
        return [self._example(chunk, 1) for chunk in chunks]
