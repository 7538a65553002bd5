"""Prompt formats: how a question and an answer become one text."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class PromptFormat:
    """The texts around a question and its answer.

    question_start + question + question_end is masked; answer_tag + answer + answer_end and the
    token after it are labelled.

    special_tokens: whether the tokenizer puts its special tokens (BOS) before the prompt; False
    where the format contains them, or where the model's chat template has none. source: where the
    format comes from. tokens: must be single tokens of the tokenizer. question_text, answer_text:
    how the format trims the texts themselves.

    end: the token that ends an answer. None stands for the tokenizer's end-of-sequence token, which
    is the end of turn in chat models (Llama-3 <|eot_id|>, Qwen2.5 <|im_end|>, Zephyr </s>). Base
    models' tokenizers have another one (<|end_of_text|>, <|endoftext|>): chat formats are for
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
        """The masked text, which generation continues."""
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
    # open-unlearning ends a Zephyr or Qwen2.5 answer twice: the chat template writes an end of turn
    # and a newline, and its code appends the end of sequence. Here an answer ends once.
    "zephyr": PromptFormat(
        "<|system|>\nYou are a helpful assistant.</s>\n<|user|>\n",
        "</s>\n<|assistant|>\n",
        "",
        "open-unlearning configs/model/zephyr-7b-beta.yaml, by the tokenizer's chat template",
        special_tokens=False,
        tokens=("</s>",),
    ),
    # open-unlearning's system message; Qwen's default one names Qwen
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
