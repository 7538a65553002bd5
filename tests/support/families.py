"""Model families of transformers, each with random weights: how their rows are scored here.

    python tests/support/families.py

prints the table of docs/models.md. A family's log-probabilities, gradients and greedy answers are
compared with those of plain forward passes of transformers, one sequence and no cache.
"""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))  # as a script

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from unlearning.data.encoding import Example
from unlearning.errors import UserError
from unlearning.evaluation.generation import Generator, Limit
from unlearning.evaluation.likelihood import Likelihood
from unlearning.models.checks import randomness_problems
from unlearning.models.folder import switch_off_dropout
from unlearning.models.scorer import PACKED

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 97}
SHAPE |= {"num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48}
SHAPE |= {"max_position_embeddings": 128, "initializer_range": 0.2}
SHAPE |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
WINDOW = {"sliding_window": 16}  # shorter than the longest row
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
EXPERTS |= {"moe_intermediate_size": 16, "shared_expert_intermediate_size": 16}
LATENT = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8}
LATENT |= {"v_head_dim": 8, "head_dim": 8, "num_key_value_heads": 4}
LATENT |= {"n_routed_experts": 4, "n_shared_experts": 1, "n_group": 1, "topk_group": 1}
HALVES = ["linear_attention", "full_attention"]
# name -> model_type and what differs from SHAPE; None: not to be set
FAMILIES: dict[str, tuple[str, dict]] = {
    "Llama": ("llama", {}),
    "Mistral": ("mistral", {"sliding_window": None}),
    "Mistral, window 16": ("mistral", WINDOW),
    "Ministral": ("ministral", {}),
    "Mixtral": ("mixtral", EXPERTS),
    "Qwen2": ("qwen2", {}),
    "Qwen2, window 16": (
        "qwen2",
        {**WINDOW, "use_sliding_window": True, "max_window_layers": 1},
    ),
    "Qwen2-MoE": ("qwen2_moe", EXPERTS),
    "Qwen3": ("qwen3", {}),
    "Qwen3-MoE": ("qwen3_moe", EXPERTS),
    "Qwen3.5 (text)": ("qwen3_5_text", {"layer_types": HALVES}),
    "Phi": ("phi", {}),
    "Phi-3": ("phi3", {}),
    "Phi-3, window 16": ("phi3", WINDOW),
    "Phi-3.5-MoE": ("phimoe", EXPERTS),
    "Gemma": ("gemma", {}),
    "Gemma-2": ("gemma2", {"final_logit_softcapping": 2.0}),
    "Gemma-2, window 16": ("gemma2", {"final_logit_softcapping": 2.0, **WINDOW}),
    "Gemma-3 (text)": ("gemma3_text", {}),
    "Gemma-3 (text), window 16": (
        "gemma3_text",
        {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "VaultGemma": ("vaultgemma", {}),
    "RecurrentGemma": (
        "recurrent_gemma",
        {"num_hidden_layers": 3, "attention_window_size": 64, "lru_width": 32},
    ),
    "Granite": (
        "granite",
        {"logits_scaling": 8.0, "embedding_multiplier": 12.0, "residual_multiplier": 0.22},
    ),
    "GraniteMoE": ("granitemoe", {**EXPERTS, "logits_scaling": 8.0}),
    "Cohere": ("cohere", {"logit_scale": 0.25}),
    "Cohere2": ("cohere2", {"logit_scale": 0.25}),
    "Cohere2, window 16": ("cohere2", {**WINDOW, "num_hidden_layers": 4}),
    "OLMo": ("olmo", {}),
    "OLMo-2": ("olmo2", {}),
    "OLMo-3, window 16": ("olmo3", WINDOW),
    "OLMoE": ("olmoe", EXPERTS),
    "StableLM": ("stablelm", {}),
    "SmolLM3": ("smollm3", {}),
    "Nemotron": ("nemotron", {}),
    "GLM": ("glm", {}),
    "GLM-4": ("glm4", {}),
    "Helium": ("helium", {}),
    "EXAONE-4": ("exaone4", {}),
    "ERNIE-4.5": ("ernie4_5", {}),
    "Seed-OSS": ("seed_oss", {}),
    "HunYuan": ("hunyuan_v1_dense", {}),
    "Apertus": ("apertus", {}),
    "DeepSeek-V2": ("deepseek_v2", {**LATENT, **EXPERTS, "first_k_dense_replace": 1}),
    "DeepSeek-V3": ("deepseek_v3", {**LATENT, **EXPERTS, "first_k_dense_replace": 1}),
    "gpt-oss": ("gpt_oss", {**EXPERTS, "sliding_window": 128}),
    "gpt-oss, window 16": ("gpt_oss", {**EXPERTS, **WINDOW}),
    "Starcoder2": ("starcoder2", {"sliding_window": None}),
    "GPT-2": ("gpt2", {}),
    "GPT-BigCode": ("gpt_bigcode", {}),
    "GPT-Neo": (
        "gpt_neo",
        {"attention_types": [[["global", "local"], 1]], "window_size": 64, "num_layers": 2},
    ),
    "GPT-NeoX": ("gpt_neox", {}),
    "GPT-J": ("gptj", {"rotary_dim": 4}),
    "CodeGen": ("codegen", {"rotary_dim": 4}),
    "OPT": ("opt", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "BLOOM": ("bloom", {}),
    "Falcon": ("falcon", {"head_dim": None}),
    "Falcon, ALiBi": ("falcon", {"head_dim": None, "alibi": True}),
    "MPT": ("mpt", {}),
    "BioGPT": ("biogpt", {}),
    "XGLM": ("xglm", {"ffn_dim": 48}),
    "CTRL": ("ctrl", {"dff": 48}),
    "GPT (2018)": ("openai-gpt", {}),
    "Mamba": ("mamba", {}),
    "Mamba-2": ("mamba2", {"num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8}),
    "FalconMamba": ("falcon_mamba", {}),
    "RWKV": ("rwkv", {"attention_hidden_size": 32}),
    "xLSTM": ("xlstm", {}),
    "Jamba": (
        "jamba",
        {**EXPERTS, "attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    ),
    "Falcon-H1": (
        "falcon_h1",
        {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8},
    ),
    "LFM2": ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    "OLMo-Hybrid": ("olmo_hybrid", {"layer_types": HALVES}),
    "BERT": ("bert", {}),
    "RoBERTa": ("roberta", {}),
    "ELECTRA": ("electra", {}),
    "T5": ("t5", {}),
}

DRAW = Random(0)
PROMPTS = [DRAW.choices(range(2, 97), k=length) for length in (4, 9, 15)]
ROWS = [
    Example((*prompt, *DRAW.choices(range(2, 97), k=length)), len(prompt))
    for prompt in PROMPTS
    for length in (3, 5, 8)
]
ROWS.append(Example(tuple(DRAW.choices(range(2, 97), k=40)), 25))
TOKENS = 8  # generated after each prompt
TOKENIZER = SimpleNamespace(
    eos_token_id=-1, batch_decode=lambda answers, skip_special_tokens: answers
)


@dataclass(frozen=True)
class Trial:
    """rows: packed, unpacked or refused. answers: batched, or one at a time without a cache, or
    nothing. Largest distances from plain passes: of log-probabilities in nats, of gradients in
    parts of their norm; same: whether all answers are those of plain passes."""

    rows: str
    answers: str = ""
    logp: float = 0.0
    gradient: float = 0.0
    same: bool = True


def family_config(name: str, **shape):
    """The configuration of the family's model. shape: differs from the family's."""
    kind, changes = FAMILIES[name]
    settings = SHAPE | changes | shape
    settings = {key: value for key, value in settings.items() if value is not None}
    if changes.get("sliding_window", 0) is None:
        settings["sliding_window"] = None
    return CONFIG_MAPPING[kind](**settings)


def family_model(name: str, **shape):
    """The family's model from random weights, dropout off; UserError if it has no language model
    that reads from left to right. shape: differs from the family's."""
    config = family_config(name, **shape)
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(f"{name} is no causal language model")
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def plain_logp(model, row: Example) -> torch.Tensor:
    """Log-probabilities of a row's labels from a forward pass of transformers."""
    logits = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0]
    labels = torch.tensor(row.ids[row.start :])
    return logits[row.start - 1 : -1].log_softmax(-1)[torch.arange(len(labels)), labels]


def gradient(model, nll: torch.Tensor) -> torch.Tensor:
    """The gradient of a sum, all parameters in one vector."""
    model.zero_grad()
    nll.backward()
    parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return torch.cat(parts)


def tried(name: str) -> Trial:
    """The family compared with transformers."""
    try:
        model = family_model(name)
        switch_off_dropout(model)
        if randomness_problems(model):
            return Trial("refused")
        likelihood = Likelihood(model)
        scores = likelihood(ROWS, [True] * len(ROWS))
    except UserError:
        return Trial("refused")
    expected = [plain_logp(model, row) for row in ROWS]
    pairs = zip(scores, expected, strict=True)
    logp = max(float((torch.tensor(s.detail.logp) - e).abs().max()) for s, e in pairs)
    own = gradient(model, likelihood.scorer(ROWS)["logp"].sum())
    plain = gradient(model, torch.cat(expected).sum())
    generator = Generator(model, TOKENIZER, torch.device("cpu"), Limit(TOKENS, "new"), 200)
    answers = generator(PROMPTS)
    return Trial(
        "packed" if likelihood.scorer.layout == PACKED else "unpacked",
        "batched" if generator.batched else "one at a time",
        logp,
        float((own - plain).norm() / plain.norm()),
        all(is_plain_answer(model, *pair) for pair in zip(PROMPTS, answers, strict=True)),
    )


@torch.inference_mode()
def is_plain_answer(model, prompt: list[int], answer: list[int]) -> bool:
    """Whether each token of an answer is the most likely one after all before it.

    One forward pass over all of them tells: the model reads from left to right.
    """
    ids = torch.tensor([[*prompt, *answer]])
    likeliest = model(input_ids=ids, use_cache=False).logits[0].argmax(-1)
    return len(answer) == TOKENS and likeliest[len(prompt) - 1 : -1].tolist() == answer


def table(trials: dict[str, Trial]) -> str:
    """Markdown: family, model_type, rows and answers."""
    lines = ["| family | model_type | rows | answers |", "|---|---|---|---|"]
    for name, trial in trials.items():
        lines.append(f"| {name} | {FAMILIES[name][0]} | {trial.rows} | {trial.answers} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table and the largest distances."""
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    trials = {name: tried(name) for name in FAMILIES}
    print(table(trials))
    logp, step = (max(getattr(t, k) for t in trials.values()) for k in ("logp", "gradient"))
    wrong = [name for name, trial in trials.items() if not trial.same]
    print(
        f"\nlog-probabilities differ by at most {logp:.1g} nats, gradients by {step:.1g} of their"
    )
    print(f"norm; other answers: {', '.join(wrong) or 'none'}")


if __name__ == "__main__":
    main()
