"""What a user reads when a config is refused before the first job."""

import pytest
from folders import ROOT
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.errors import UserError


def problems(config: dict) -> list[str]:
    """The problems of a config, one line each; fails if it has none."""
    with pytest.raises(UserError) as caught:
        preflight(load_experiment(config, ROOT))
    return [line.removeprefix("- ") for line in str(caught.value).splitlines()]


def assert_named(lines: list[str], key: str, *parts: str) -> None:
    """One line is about `key` and holds the value that was found, and what may be done."""
    about = [line for line in lines if line.startswith(f"{key}: ")]
    assert any(all(part in line for part in parts) for line in about), lines
