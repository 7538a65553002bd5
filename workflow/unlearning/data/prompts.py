"""Prompt formats: how a question and an answer become one text."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class PromptFormat:
    """question_start + question + question_end is masked; answer_tag + answer + answer_end is
    labelled, and so is the token after it.

    special_tokens: put the tokenizer's own before the prompt (a leading BOS); False where the
    format spells them, or where the model's chat template has none. source: where the format comes
    from. tokens: what the tokenizer must have as single tokens. question_text, answer_text: what
    the format makes of the texts themselves, as far as it trims them.

    end: the token that ends an answer. None is the tokenizer's end-of-sequence token, which is each
    chat model's end of turn (Llama-3 <|eot_id|>, Qwen2.5 <|im_end|>, Zephyr </s>). Tokenizers of
    base models name another one (<|end_of_text|>, <|endoftext|>): chat formats are for
    instruction-tuned models.
    """

    question_start: str
    question_end: str
    answer_tag: str
    source: str
    special_tokens: bool = True
    tokens: tuple[str, ...] = ()
    answer_end: str = ""
    end: str | None = None
    question_text: Callable[[str], str] = str
    answer_text: Callable[[str], str] = str

    def prompt(self, question: str) -> str:
        """What generation starts from."""
        return f"{self.question_start}{self.question_text(question)}{self.question_end}"

    def answer(self, answer: str) -> str:
        """The labelled text, without the token that ends it."""
        return f"{self.answer_tag}{self.answer_text(answer)}{self.answer_end}"


_LLAMA3_SYSTEM = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 10 Apr 2025\n\n"
    "You are a helpful assistant.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
)

PROMPTS: dict[str, PromptFormat] = {
    "plain": PromptFormat("", "", " ", "ours: as few tokens as possible, for models from scratch"),
    "llama2": PromptFormat("[INST] ", " [/INST]", "", "TOFU config/model_config.yaml"),
    "llama3": PromptFormat(
        _LLAMA3_SYSTEM,
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "",
        "open-unlearning configs/model/Llama-3.2-1B-Instruct.yaml",
        special_tokens=False,
        tokens=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    # open-unlearning closes a Zephyr or Qwen2.5 answer twice: the chat template ends in a newline
    # after the end of turn, and its code then appends the end of sequence. Here it ends once.
    "zephyr": PromptFormat(
        "<|system|>\nYou are a helpful assistant.</s>\n<|user|>\n",
        "</s>\n<|assistant|>\n",
        "",
        "open-unlearning configs/model/zephyr-7b-beta.yaml, by the tokenizer's chat template",
        special_tokens=False,
        tokens=("</s>",),
    ),
    # not Qwen's default system message, which names Qwen: open-unlearning sets this one
    "qwen2.5": PromptFormat(
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>assistant\n",
        "",
        "open-unlearning configs/model/Qwen2.5-7B-Instruct.yaml, by the tokenizer's chat template",
        special_tokens=False,
        tokens=("<|im_start|>", "<|im_end|>"),
    ),
    "phi": PromptFormat("Question: ", "\n", "Answer: ", "TOFU config/model_config.yaml"),
}
