"""Token ids and label starts of every prompt format, under small tokenizers of each family.

An id is a token's place in the family's vocabulary below, so the ids can be read off by hand.
"""

from dataclasses import dataclass

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from toy import toy
from transformers import PreTrainedTokenizerFast
from unlearning.data.chat import chat_format
from unlearning.data.encoding import Encoder
from unlearning.data.packing import pack
from unlearning.data.prompts import PROMPTS

QUESTION, ANSWER = "Who wrote it?", "Ann did."


@dataclass(frozen=True)
class Family:
    """A tokenizer: its special tokens first, then text; what it gives for the row above."""

    special: list[str]
    text: list[str]
    bos: str | None
    eos: str
    adds_bos: bool
    ids: list[int]  # of question and answer
    start: int  # of the labels

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Words with the space before them, marks, line breaks; special tokens stay whole."""
        vocabulary = {token: i for i, token in enumerate([*self.special, *self.text])}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="unknown"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(
            Regex(r" ?\w+|\n\n|\n|[^\w\s]| "), behavior="isolated"
        )
        tokenizer.add_special_tokens(self.special)
        if self.adds_bos:
            tokenizer.post_processor = processors.TemplateProcessing(
                single=f"{self.bos} $A", special_tokens=[(self.bos, vocabulary[self.bos])]
            )
        # padding with the end-of-sequence token, as fine-tuning code mostly does
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token=self.bos, eos_token=self.eos, pad_token=self.eos
        )


ROW = ["Who", " wrote", " it", "?", "Ann", " did", "."]
SYSTEM = ["You", " are", " a", " helpful", " assistant"]
FAMILIES = {
    "llama2": Family(
        special=["<s>", "</s>"],  # 0, 1
        text=["[", "INST", "]", " Who", " wrote", " it", "?", " ", "/", "Ann", " did", "."],  # 2-13
        bos="<s>",
        eos="</s>",
        adds_bos=True,
        ids=[0, 2, 3, 4, 5, 6, 7, 8, 9, 2, 10, 3, 4, 11, 12, 13, 1],
        start=13,
    ),
    "llama3": Family(
        special=["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"],
        text=[*ROW, "\n\n", "\n", "system", "user", "assistant"]  # 4-10, 11-15
        + ["Cutting", " Knowledge", " Date", ":", " December", " 2023"]  # 16-21
        + ["Today", " 10", " Apr", " 2025", *SYSTEM],  # 22-25, 26-30
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        adds_bos=True,
        ids=[0, 2, 13, 3, 11]
        + [16, 17, 18, 19, 20, 21, 12, 22, 18, 19, 23, 24, 25, 11, 26, 27, 28, 29, 30, 10, 1]
        + [2, 14, 3, 11, 4, 5, 6, 7, 1]
        + [2, 15, 3, 11, 8, 9, 10, 1],
        start=39,
    ),
    "phi": Family(
        special=["<|endoftext|>"],  # 0
        text=["Question", ":", " Who", " wrote", " it", "?", "\n", "Answer", " Ann", " did", "."],
        bos="<|endoftext|>",
        eos="<|endoftext|>",
        adds_bos=False,
        ids=[1, 2, 3, 4, 5, 6, 7, 8, 2, 9, 10, 11, 0],
        start=7,
    ),
    "zephyr": Family(
        special=["<s>", "</s>"],  # 0, 1; the tags of roles are plain text
        text=[
            *ROW,
            "<",
            "|",
            "system",
            ">",
            "\n",
            "user",
            "assistant",
            *SYSTEM,
        ],  # 2-8, 9-15, 16-20
        bos="<s>",
        eos="</s>",
        adds_bos=True,
        ids=[9, 10, 11, 10, 12, 13, 16, 17, 18, 19, 20, 8, 1, 13]
        + [9, 10, 14, 10, 12, 13, 2, 3, 4, 5, 1, 13]
        + [9, 10, 15, 10, 12, 13, 6, 7, 8, 1],
        start=32,
    ),
    "qwen2.5": Family(
        special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],  # 0-2
        text=[*ROW, "system", "\n", "user", "assistant", *SYSTEM],  # 3-9, 10-13, 14-18
        bos=None,
        eos="<|im_end|>",
        adds_bos=False,
        ids=[1, 10, 11, 14, 15, 16, 17, 18, 9, 2, 11]
        + [1, 12, 11, 3, 4, 5, 6, 2, 11]
        + [1, 13, 11, 7, 8, 9, 2],
        start=23,
    ),
}

# Chat templates as their authors publish them in tokenizer_config.json on the hub.
TEMPLATES = {
    # meta-llama/Meta-Llama-3-8B-Instruct; 3.1 and 3.2 write the two dates into the system message
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content ="
    " '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim"
    " + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    # HuggingFaceH4/zephyr-7b-beta
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
    "{% endfor %}",
    # Qwen/Qwen2.5-7B-Instruct, its branch without tools
    "qwen2.5": "{%- if messages[0]['role'] == 'system' %}\n"
    "        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n"
    "    {%- else %}\n        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. "
    "You are a helpful assistant.<|im_end|>\\n' }}\n    {%- endif %}\n"
    "{%- for message in messages %}\n"
    '    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or '
    '(message.role == "assistant" and not message.tool_calls) %}\n'
    "        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "\n    {%- endif %}\n{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}",
}
SYSTEM_MESSAGES = {
    "llama3": "Cutting Knowledge Date: December 2023\nToday Date: 10 Apr 2025\n\n"
    "You are a helpful assistant.",
    "zephyr": "You are a helpful assistant.",
    "qwen2.5": "You are a helpful assistant.",
}


@pytest.fixture(params=FAMILIES)
def family(request):
    """(format's name, family, encoder)."""
    family = FAMILIES[request.param]
    return request.param, family, Encoder(family.tokenizer(), PROMPTS[request.param], 128)


def test_every_format_is_tested():
    assert set(PROMPTS) == {*FAMILIES, "plain"}


def test_token_ids_and_label_start(family):
    name, expected, encoder = family
    example = encoder.encode(QUESTION, ANSWER)
    assert list(example.ids) == expected.ids
    assert example.start == expected.start
    labelled = encoder.tokenizer.convert_ids_to_tokens(example.ids[example.start :])
    tag = "Answer: " if name == "phi" else ""  # officially inside the labels
    assert "".join(labelled) == f"{tag}{ANSWER}{expected.eos}"


def test_generation_starts_where_the_labels_do(family):
    _, expected, encoder = family
    assert encoder.prompt_ids(QUESTION) == expected.ids[: expected.start]


def test_one_bos_where_the_format_has_one(family):
    name, expected, encoder = family
    ids = list(encoder.encode(QUESTION, ANSWER).ids)
    bos = encoder.tokenizer.bos_token_id
    assert ids[:-1].count(bos) == (1 if name in ("llama2", "llama3") else 0)


def test_labels_where_padding_is_the_end_of_turn(family):
    _, expected, encoder = family
    short, long = encoder.encode(QUESTION, ANSWER), encoder.encode(QUESTION, "Ann did it?")
    labelled = pack([short, long]).labels()
    labels, row = labelled.labels, labelled.sequence
    assert labels[row == 0].tolist() == expected.ids[expected.start :]
    assert (labels[row == 1] == encoder.tokenizer.eos_token_id).sum() == 1


@pytest.mark.parametrize("name", ["llama3", "zephyr", "qwen2.5"])
def test_ends_of_turns_in_the_prompt_are_masked(name):
    family = FAMILIES[name]
    example = Encoder(family.tokenizer(), PROMPTS[name], 128).encode(QUESTION, ANSWER)
    end = family.special.index(family.eos)
    assert example.ids[: example.start].count(end) == 2  # of the system's turn and the user's
    assert example.ids[example.start :].count(end) == 1


@pytest.mark.parametrize("name", TEMPLATES)
def test_chat_formats_equal_the_published_templates(name):
    family = FAMILIES[name]
    tokenizer = family.tokenizer()
    tokenizer.chat_template = TEMPLATES[name]
    turns = [("system", SYSTEM_MESSAGES[name]), ("user", QUESTION), ("assistant", ANSWER)]
    chat = [{"role": role, "content": content} for role, content in turns]
    prompt = PROMPTS[name].prompt(QUESTION)
    generation_prompt = tokenizer.apply_chat_template(
        chat[:2], tokenize=False, add_generation_prompt=True
    )
    assert generation_prompt == prompt
    conversation = tokenizer.apply_chat_template(chat, tokenize=False)
    assert conversation.rstrip("\n") == prompt + PROMPTS[name].answer(ANSWER) + family.eos
    ids = tokenizer.apply_chat_template(chat, tokenize=True, return_dict=True)["input_ids"]
    assert ids[: len(family.ids)] == family.ids


@pytest.mark.parametrize("name", TEMPLATES)
def test_chat_gives_the_formats_ids_from_the_template_alone(name):
    family = FAMILIES[name]
    tokenizer = family.tokenizer()
    tokenizer.chat_template = TEMPLATES[name]
    prompt = chat_format(tokenizer, SYSTEM_MESSAGES[name])
    example = Encoder(tokenizer, prompt, 128).encode(QUESTION, ANSWER)
    assert (list(example.ids), example.start) == (family.ids, family.start)


def test_plain_format_of_the_mini_model():
    _, tokenizer = toy()
    example = Encoder(tokenizer, PROMPTS["plain"], 64).encode("who wrote it?", "ann wrote it")
    words = ["▁who", "▁wrote", "▁it", "?", "▁ann", "▁wrote", "▁it", "<eos>"]
    assert tokenizer.convert_ids_to_tokens(example.ids) == words
    assert example.start == 4
