"""The prompt format that a tokenizer's own chat template writes.

The template is rendered once around marks in place of question and answer, and taken apart there.
Probes then compare what the format writes with what the template writes, so that a template that
treats texts otherwise is refused rather than approximated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from operator import methodcaller

from unlearning.data.prompts import PROMPTS, PromptFormat
from unlearning.errors import UserError

QUESTION, ANSWER = "question-7c1f", "answer-7c1f"  # no template writes these of itself
# Templates write today's date, which would change a prompt from day to day. This is the day of the
# format llama3 (open-unlearning).
TODAY = date(2025, 4, 10)
PINNED = {
    "date_string": TODAY.strftime("%d %b %Y"),  # Llama-3
    "enable_thinking": False,  # Qwen3: answers come without reasoning
}
# transformers' own function for templates takes the clock's day, and functions cannot be passed:
# a macro of that name, before the template, replaces each directive of a date's format
DATES = ("a", "A", "b", "B", "d", "-d", "e", "j", "m", "-m", "u", "w", "y", "Y", "x", "D", "F")
DIRECTIVES = "".join(f" | replace('%{c}', '{TODAY.strftime('%' + c)}')" for c in DATES)
CLOCK = "{% macro strftime_now(format) %}{{ format" + DIRECTIVES + " }}{% endmacro %}\n"
EDGES = ("{}", " {}", "{} ", "\n{}", "{}\n", " \n {} \n ")
# texts that a template might escape, read as a template, or take apart
CONTENTS = (
    "{}: {{{{ x }}}} {{% y %}} <b>&amp;</b> 'a' \"b\" \\n",
    "{} é 漢 [x] /x/\n\ntwo  spaces",
)
TRIMS: tuple[Callable[[str], str], ...] = (str, str.strip, str.lstrip, str.rstrip)
TRIMS += tuple(methodcaller(side, "\n") for side in ("strip", "lstrip", "rstrip"))


@dataclass(frozen=True)
class Template:
    """A tokenizer's chat template with the system text of the config, if any."""

    tokenizer: object
    system: str | None

    def __call__(self, question: str, answer: str | None = None) -> str:
        """The conversation with an answer, or up to where the model answers."""
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
                **PINNED,
            )
        except Exception as error:  # of Jinja, or raised by the template itself
            without = "" if self.system is None else ", or remove model.system"
            raise self.refusal(
                f"cannot be used ({type(error).__name__}: {error})", without
            ) from None

    def refusal(self, problem: str, instead: str = "") -> UserError:
        """The error for a template that no prompt format follows from."""
        return UserError(
            f"the chat template of {self.tokenizer.name_or_path} {problem}. Set model.prompt to "
            f"another format ({', '.join(PROMPTS)}), or put another template into its "
            f"chat_template.jinja{instead}"
        )


def chat_format(tokenizer, system: str | None = None) -> PromptFormat:
    """The format of a tokenizer's chat template; UserError if there is none, or if prompts, labels
    or the end of an answer cannot be had from it.

    The prompt goes up to the answer, less spaces before it, which are labelled: tokenizers join
    them with the first word. The answer ends in the first special token after it.
    """
    template = Template(tokenizer, system)
    if tokenizer.chat_template is None:
        raise UserError(
            f"model.prompt chat needs a chat template, and {tokenizer.name_or_path} has none. Put "
            f"one into its chat_template.jinja, or set another format ({', '.join(PROMPTS)})"
        )
    whole, opened = template(QUESTION, ANSWER), template(QUESTION)
    if whole.count(QUESTION) != 1 or whole.count(ANSWER) != 1:
        raise template.refusal("does not write question and answer once each")
    start, _, rest = whole.partition(QUESTION)
    between, _, tail = rest.partition(ANSWER)
    if ANSWER in start:
        raise template.refusal("writes the answer before the question")
    if system is not None and system.strip() not in start + between:
        raise template.refusal(f"leaves out the system text {system!r}", ", or remove model.system")
    if not f"{start}{QUESTION}{between}".startswith(opened.rstrip(" ")):
        raise template.refusal(
            f"starts answers with {opened[-60:]!r}, but writes {between[-60:]!r} before an answer "
            "that is there"
        )
    end = first_token(tokenizer, tail)
    if end is None:
        raise template.refusal(f"writes no special token after an answer, but {tail!r}")
    question_end = between.rstrip(" ")
    parts = {
        "question_start": start,
        "question_end": question_end,
        "answer_tag": between[len(question_end) :],
        "source": "the tokenizer's chat template",
        "special_tokens": False,
        "answer_end": tail[: tail.index(end)],
        "end": end,
    }
    for question_text in TRIMS:
        for answer_text in TRIMS:
            trims = {"question_text": question_text, "answer_text": answer_text}
            prompt = PromptFormat(**parts, **trims)
            if follows(template, prompt):
                return prompt
    raise template.refusal("changes questions or answers on the way")


def follows(template: Template, prompt: PromptFormat) -> bool:
    """Whether the format writes what the template does, around all sorts of texts."""
    for probe in (*EDGES, *CONTENTS):
        for question, answer in (
            (probe.format(QUESTION), ANSWER),
            (QUESTION, probe.format(ANSWER)),
        ):
            text = prompt.prompt(question) + prompt.answer(answer) + prompt.end
            if not template(question, answer).startswith(text):
                return False
    return True


def first_token(tokenizer, text: str) -> str | None:
    """The first special or added token in a text, the longest where several start; None if there
    is none."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    tokens = [token for token in {*added, *tokenizer.all_special_tokens} if token.strip()]
    present = [token for token in tokens if token in text]
    return min(present, key=lambda token: (text.index(token), -len(token)), default=None)


def prompt_format(tokenizer, name: str, system: str | None = None) -> PromptFormat:
    """The format of the config's model.prompt for a tokenizer."""
    return chat_format(tokenizer, system) if name == "chat" else PROMPTS[name]
