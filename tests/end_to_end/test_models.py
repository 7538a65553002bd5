"""A model that others made goes through the whole workflow by its own chat template."""

import json

import pytest
from broken_models import good_model
from model_changes import ends_by_itself
from project import copied, micro
from transformers import AutoTokenizer, LlamaForCausalLM
from unlearning.config.reading import merged
from unlearning.models.folder import load_tokenizer

# the role's name is spelled, and answers end in a token that is no end of sequence
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] | trim }}"
    "{{ '<end>' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
BROUGHT = {
    "model": {"path": "brought", "architecture": None, "prompt": "chat", "system": "Be brief."},
    "pretrain": None,
    "finetune": {"replay_rows": 0, "epochs": 15, "lr": 1.0e-2},
    "retrain": {"seeds": [1]},
    "unlearn": {"trajectory": [], "epochs": 1},
    "methods": {"SimNPO+RT": {}},
    "relearn": {"methods": []},
    "evaluation": {"rows": 2, "max_length": 200, "generation_tokens": 200, "fluency": True},
}


@pytest.fixture(scope="module")
def brought(complete, tmp_path_factory):
    """The project with a Llama whose tokenizer appends the end of sequence to every text."""
    project = copied(tmp_path_factory.mktemp("brought"))
    folder = good_model(project.root / "brought")
    ends_by_itself(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<end>"]})
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    complete(project, merged({**micro(), "methods": {}}, BROUGHT))
    return project


def test_it_runs_to_the_report_and_hands_its_template_on(brought):
    assert (brought.world / "report" / "index.html").is_file()
    tokenizer = load_tokenizer(brought.world / "finetune" / "seed=42" / "model")
    assert tokenizer.get_chat_template() == TEMPLATE


def test_answers_start_after_the_prompt_and_end_in_the_templates_token(brought):
    """The target was fitted hard: it answers without naming its role again, and stops."""
    rows = brought.world / "forget10" / "finetune" / "seed=42" / "evaluate" / "rows.json"
    forget = json.loads(rows.read_text(encoding="utf-8"))["forget"]
    tokenizer = load_tokenizer(brought.world / "finetune" / "seed=42" / "model")
    for answer, tokens in zip(forget["answer"], forget["answer_tokens"], strict=True):
        # the space before the answer joins its first word; then the end
        assert tokens == len(tokenizer(f" {answer}", add_special_tokens=False)["input_ids"]) + 1
    for generation in forget["generation"]:
        assert generation and "assistant" not in generation and len(generation.split()) < 30
