"""A chat template is enough: its text, token by token, or a refusal that says what it does."""

import pytest
from folders import tokenizer_folder
from toy import WORDS
from transformers import AutoTokenizer
from unlearning.data.chat import TEMPLATE_VARIABLES, chat_format
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.models.build import train_tokenizer

SYSTEM = "You are a helpful assistant."
# edges that some templates trim, and text that looks like a template
ROWS = [
    ("Who wrote it?", "Ann did."),
    (" Who wrote it?\n", " Ann did. "),
    ("{{ a }}", "<b> {% c %}"),
]
LOOP = "{% for message in messages %}"
CHATML = LOOP + (
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
)
GENERATE = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
# meta-llama/Llama-2-7b-chat-hf: system text inside the question's turn, no generation prompt
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + "
    "system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
    "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}"
)
# google/gemma-2-2b-it: no system role, the model's name for the role, an end that is no EOS
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
# meta-llama/Llama-3.2-1B-Instruct, its part without tools: today's date in the system message
LLAMA3 = (
    "{{ bos_token }}{% if not date_string is defined %}{% if strftime_now is defined %}"
    '{% set date_string = strftime_now("%d %b %Y") %}{% else %}'
    '{% set date_string = "26 Jul 2024" %}{% endif %}{% endif %}'
    "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content']|trim %}"
    '{% set messages = messages[1:] %}{% else %}{% set system_message = "" %}{% endif %}'
    '{{ "<|start_header_id|>system<|end_header_id|>\n\n" }}'
    '{{ "Cutting Knowledge Date: December 2023\n" }}{{ "Today Date: " + date_string + "\n\n" }}'
    '{{ system_message }}{{ "<|eot_id|>" }}{% for message in messages %}'
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# a family that no format of ours knows: plain words for roles, reasoning unless it is switched off
OWN = LOOP + (
    "{% if message['role'] == 'system' %}Rules: {{ message['content'] }}\n{% endif %}"
    "{% if message['role'] == 'user' %}Human: {{ message['content'] }}\n{% endif %}"
    "{% if message['role'] == 'assistant' %}Machine: {{ message['content'] }}{{ eos_token }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}Machine:"
    "{% if enable_thinking is not defined or enable_thinking %} <think>{% endif %}{% endif %}"
)
TEMPLATES = {"chatml": CHATML + GENERATE, "without generation prompt": CHATML, "llama2": LLAMA2}
TEMPLATES |= {"gemma": GEMMA, "llama3": LLAMA3, "own": OWN}
SPECIAL = ["<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<|eot_id|>"]
SPECIAL += ["<|start_header_id|>", "<|end_header_id|>"]


def make_tokenizer(template: str | None):
    """Byte-level pieces and the special tokens of all families."""
    tokenizer = train_tokenizer("bpe", [" ".join(WORDS)], 320)
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    tokenizer.chat_template = template
    return tokenizer


def chat(question: str, answer: str, system: str | None = None) -> list[dict[str, str]]:
    turns = [] if system is None else [("system", system)]
    turns += [("user", question), ("assistant", answer)]
    return [{"role": role, "content": content} for role, content in turns]


def assert_follows(tokenizer, system: str | None) -> None:
    """Ids are those of the template up to the end of the answer, and labels are the answer's."""
    encoder = Encoder(tokenizer, chat_format(tokenizer, system), 512)
    for question, answer in ROWS:
        turns = chat(question, answer, system)
        ids = tokenizer.apply_chat_template(
            turns, tokenize=True, return_dict=True, **TEMPLATE_VARIABLES
        )["input_ids"]
        example = encoder.encode(question, answer)
        assert list(example.ids) == ids[: len(example.ids)]
        assert tokenizer.decode(ids[len(example.ids) :]).strip() == ""
        labelled = tokenizer.decode(example.ids[example.start : -1]).strip()
        assert labelled == answer.strip()
        assert example.ids[-1] == encoder.end
        assert encoder.prompt_ids(question) == list(example.ids[: example.start])


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("system", [None, SYSTEM])
def test_rows_are_what_the_template_writes(name, system):
    if name == "gemma" and system is not None:
        pytest.skip("no system role: refused, below")
    assert_follows(make_tokenizer(TEMPLATES[name]), system)


def test_prompts_read_as_the_families_have_them():
    tokenizer = make_tokenizer(CHATML + GENERATE)
    prompt = chat_format(tokenizer, SYSTEM)
    assert prompt.prompt("Q?") == PROMPTS["qwen2.5"].prompt("Q?")
    assert (prompt.answer("A."), prompt.end) == ("A.", "<|im_end|>")
    llama2 = chat_format(make_tokenizer(LLAMA2))
    assert llama2.prompt("Q?") == "<eos>" + PROMPTS["llama2"].prompt("Q?")  # its BOS is EOS
    assert (llama2.answer("A."), llama2.end) == (" A. ", "<eos>")


def test_the_date_is_pinned_whichever_way_the_template_takes_it():
    assert chat_format(make_tokenizer(LLAMA3), SYSTEM).prompt("Q?") == "<eos>" + PROMPTS[
        "llama3"
    ].prompt("Q?").removeprefix("<|begin_of_text|>")
    dated = "{{ strftime_now('%Y-%m-%d') }}" + CHATML
    assert chat_format(make_tokenizer(dated)).prompt("Q?").startswith("2025-04-10<|im_start|>user")


def test_an_answer_ends_in_the_templates_token_even_where_it_is_no_end_of_sequence():
    tokenizer = make_tokenizer(GEMMA)
    encoder = Encoder(tokenizer, chat_format(tokenizer), 128)
    assert encoder.end == tokenizer.convert_tokens_to_ids("<end_of_turn>") != tokenizer.eos_token_id


REFUSED = {
    "no template": (None, None, ["needs a chat template", "chat_template.jinja", "qwen2.5"]),
    "no system role": (GEMMA, SYSTEM, ["System role not supported", "remove model.system"]),
    "system left out": (
        "{% set messages = messages[1:] if messages[0]['role'] == 'system' else messages %}"
        + CHATML,
        SYSTEM,
        ["leaves out the system text", SYSTEM, "remove model.system"],
    ),
    "no end": (CHATML.replace("<|im_end|>", ""), None, ["no special token after an answer"]),
    "no Jinja": ("{% for message in %}", None, ["cannot be used", "TemplateSyntaxError"]),
    "no answers": (
        CHATML.replace("{{ '<", "{% if message['role'] != 'assistant' %}{{ '<").replace(
            "{% endfor", "{% endif %}{% endfor"
        ),
        None,
        ["does not write question and answer once each"],
    ),
    "question twice": (CHATML + "{{ messages[0]['content'] }}", None, ["once each"]),
    "capitals": (CHATML.replace("['content']", "['content'].upper()"), None, ["once each"]),
    "without accents": (
        CHATML.replace("['content']", "['content'].replace('é', 'e')"),
        None,
        ["changes"],
    ),
    "first word": (CHATML.replace("['content']", "['content'].split()[-1]"), None, ["changes"]),
    "reasoning first": (
        CHATML + GENERATE.replace("assistant\n", "assistant\n<think>\n"),
        None,
        ["starts answers with", "<think>"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_templates_are_refused(name):
    template, system, parts = REFUSED[name]
    with pytest.raises(UserError) as caught:
        chat_format(make_tokenizer(template), system)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["llama2", "llama3_1", "qwen3", "smollm2"])
@pytest.mark.parametrize("system", [None, SYSTEM])
def test_published_tokenizers(name, system):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(name))
    if tokenizer.chat_template is None:
        tokenizer.chat_template = LLAMA2  # the package of Llama-2's leaves it out
    assert_follows(tokenizer, system)


def test_published_tokenizers_give_the_formats_ids():
    """Each format of ours, and the template that it was taken from, under the real tokenizer."""
    systems = {"llama3": PROMPTS["llama3"].question_start, "qwen2.5": SYSTEM}
    systems["llama3"] = systems["llama3"].partition("\n\n")[2].partition("<|eot_id|>")[0]
    for format_name, folder in {"llama3": "llama3_1", "qwen2.5": "smollm2"}.items():
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(folder))
        ours = Encoder(tokenizer, PROMPTS[format_name], 512)
        theirs = Encoder(tokenizer, chat_format(tokenizer, systems[format_name]), 512)
        assert ours.encode(*ROWS[0]) == theirs.encode(*ROWS[0])
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder("llama2"))
    tokenizer.chat_template = LLAMA2
    ours = Encoder(tokenizer, PROMPTS["llama2"], 512)
    theirs = Encoder(tokenizer, chat_format(tokenizer), 512)
    assert ours.prompt_ids(ROWS[0][0]) == theirs.prompt_ids(ROWS[0][0])
