"""The prompt format that a tokenizer's own chat template writes.

The template is rendered once with marks in place of question and answer, and split at the marks.
Probes then compare the format's text with the template's: a template that changes texts in any
other way is refused, never approximated.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from operator import methodcaller
from typing import Any

from unlearning.data.prompts import PROMPTS, PromptFormat
from unlearning.errors import UserError

QUESTION, ANSWER = "question-7c1f", "answer-7c1f"  # marks that no template contains
# Some templates write today's date, which would change prompts from day to day. They get the date
# that the format llama3 has (from open-unlearning).
TODAY = date(2025, 4, 10)
TEMPLATE_VARIABLES = {
    "date_string": TODAY.strftime("%d %b %Y"),  # Llama-3
    "enable_thinking": False,  # Qwen3: answers come without reasoning
}
# transformers gives templates a function strftime_now, which reads the clock, and takes no other in
# its stead. A macro of that name before the template replaces each directive of a date format.
DATES = ("a", "A", "b", "B", "d", "-d", "e", "j", "m", "-m", "u", "w", "y", "Y", "x", "D", "F")
DIRECTIVES = "".join(f" | replace('%{c}', '{TODAY.strftime('%' + c)}')" for c in DATES)
CLOCK = "{% macro strftime_now(format) %}{{ format" + DIRECTIVES + " }}{% endmacro %}\n"
EDGE_PROBES = ("{}", " {}", "{} ", "\n{}", "{}\n", " \n {} \n ")
# texts that a template might escape, execute or split
CONTENT_PROBES = (
    "{}: {{{{ x }}}} {{% y %}} <b>&amp;</b> 'a' \"b\" \\n",
    "{} é 漢 [x] /x/\n\ntwo  spaces",
)
# how templates trim texts: not at all, white space, or empty lines alone
TRIMS: list[Callable[[str], str]] = [str, str.strip, str.lstrip, str.rstrip]
TRIMS += [methodcaller(name, "\n") for name in ("strip", "lstrip", "rstrip")]


@dataclass(frozen=True)
class Template:
    """A tokenizer's chat template with the system text of the config, if any."""

    tokenizer: Any
    system: str | None

    def __call__(self, question: str, answer: str | None = None) -> str:
        """The conversation with its answer; without one, the prompt that the model continues."""
        turns = [] if self.system is None else [{"role": "system", "content": self.system}]
        turns.append({"role": "user", "content": question})
        if answer is not None:
            turns.append({"role": "assistant", "content": answer})
        try:
            return self.tokenizer.apply_chat_template(
                turns,
                chat_template=CLOCK + self.tokenizer.get_chat_template(),
                tokenize=False,
                add_generation_prompt=answer is None,
                **TEMPLATE_VARIABLES,
            )
        except Exception as error:  # of Jinja, or raised by the template itself
            advice = f", or {'set' if self.system is None else 'remove'} model.system"
            raise self.error(f"cannot be used ({type(error).__name__}: {error})", advice) from None

    def error(self, problem: str, advice: str = "") -> UserError:
        """The error for a template from which no prompt format can be derived."""
        return UserError(
            f"the chat template of {self.tokenizer.name_or_path} {problem}. Set model.prompt to "
            f"another format ({', '.join(PROMPTS)}), or put another template into its "
            f"chat_template.jinja{advice}"
        )


def chat_format(tokenizer, system: str | None = None) -> PromptFormat:
    """Derive the prompt format from a tokenizer's chat template; UserError if there is no template,
    or if it does not tell where prompt, labels and answer end.

    The prompt ends before the spaces in front of the answer: tokenizers join these with the first
    word, so they are labelled. The answer ends with the first special token after it.
    """
    template = Template(tokenizer, system)
    if tokenizer.chat_template is None:
        raise UserError(
            f"model.prompt chat needs a chat template, and {tokenizer.name_or_path} has none. Put "
            f"one into its chat_template.jinja, or set another format ({', '.join(PROMPTS)})"
        )
    conversation, generation_prompt = template(QUESTION, ANSWER), template(QUESTION)

    # split the conversation at the marks: start QUESTION between ANSWER tail
    if conversation.count(QUESTION) != 1 or conversation.count(ANSWER) != 1:
        raise template.error("does not write question and answer once each")
    start, _, rest = conversation.partition(QUESTION)
    between, _, tail = rest.partition(ANSWER)
    if ANSWER in start:
        raise template.error("writes the answer before the question")
    # a template without a place for it drops the system text in silence
    if system is not None and system.strip() not in start + between:
        raise template.error(f"leaves out the system text {system!r}", ", or remove model.system")

    # generation has to continue the same prompt that training puts before an answer
    if not f"{start}{QUESTION}{between}".startswith(generation_prompt.rstrip(" ")):
        raise template.error(
            f"starts answers with {generation_prompt[-60:]!r}, but writes {between[-60:]!r} before "
            "an answer that is there"
        )
    end = first_special_token(tokenizer, tail)
    if end is None:
        raise template.error(f"writes no special token after an answer, but {tail!r}")

    # some templates trim the texts: find out which trimming reproduces this one
    question_end = between.rstrip(" ")
    prompt = PromptFormat(
        question_start=start,
        question_end=question_end,
        answer_tag=between[len(question_end) :],
        source="the tokenizer's chat template",
        special_tokens=False,
        answer_end=tail[: tail.index(end)],
        end=end,
    )
    for question_text, answer_text in product(TRIMS, TRIMS):
        trimmed = replace(prompt, question_text=question_text, answer_text=answer_text)
        if reproduces(trimmed, template):
            return trimmed
    raise template.error("changes questions or answers on the way")


def reproduces(prompt: PromptFormat, template: Template) -> bool:
    """Whether the format writes every probe as the template does."""
    for probe in (*EDGE_PROBES, *CONTENT_PROBES):
        pairs = [(probe.format(QUESTION), ANSWER), (QUESTION, probe.format(ANSWER))]
        for question, answer in pairs:
            text = f"{prompt.prompt(question)}{prompt.answer(answer)}{prompt.end}"
            if not template(question, answer).startswith(text):
                return False
    return True


def first_special_token(tokenizer, text: str) -> str | None:
    """The special or added token that starts first in a text, the longest of several; None if
    there is none."""
    tokens = set(tokenizer.all_special_tokens)
    tokens.update(token.content for token in tokenizer.added_tokens_decoder.values())
    present = [token for token in tokens if token.strip() and token in text]
    return min(present, key=lambda token: (text.index(token), -len(token)), default=None)


def prompt_format(tokenizer, name: str, system: str | None = None) -> PromptFormat:
    """The format that model.prompt names: of PROMPTS, or "chat" for the tokenizer's template."""
    return chat_format(tokenizer, system) if name == "chat" else PROMPTS[name]
