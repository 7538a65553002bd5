"""Folders that tests read: the project, and data that it does not ship."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = ROOT / "config" / "experiments"
SHARED = ROOT.parent / "shared"
GOLDEN = Path(os.environ.get("UNLEARNING_GOLDEN", SHARED / "golden"))
TOFU = Path(os.environ.get("TOFU_DIR", SHARED / "tofu"))
# tokenizers of published chat models, a folder each: llama2, llama3_1, qwen3, smollm2
TOKENIZERS = os.environ.get("UNLEARNING_TOKENIZERS")


def tofu_folder() -> Path:
    """TOFU's JSON files; skips the test, saying so, where they are missing."""
    import pytest  # here: benchmarks read the folders too, where pytest may be missing

    if not TOFU.is_dir():
        pytest.skip(f"no TOFU files at {TOFU}: set TOFU_DIR to their folder")
    return TOFU


def tokenizer_folder(name: str) -> Path:
    """A published tokenizer's folder; skips the test, saying so, where it is missing."""
    import pytest

    for settings in sorted(Path(TOKENIZERS).rglob("tokenizer_config.json")) if TOKENIZERS else ():
        if name in str(settings.relative_to(TOKENIZERS)):
            return settings.parent
    pytest.skip(f"no tokenizer {name}: set UNLEARNING_TOKENIZERS to a folder (CONTRIBUTING.md)")
