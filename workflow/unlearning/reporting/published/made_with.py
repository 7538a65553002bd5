"""Whether published numbers and ours were made and measured in the same way."""

from typing import Any

from unlearning.config.experiment import OVERRIDES
from unlearning.methods.references import TARGET as TARGET_REFERENCE
from unlearning.reporting.labels import RETRAIN, TARGET


def made_alike(
    stated: dict[str, Any], method: str, hyper: dict[str, Any], config: dict[str, Any]
) -> bool:
    """Whether a run has the settings that a source of published numbers states.

    stated: sections of a config with the keys that the source's numbers depend on. hyper: what the
    config says of the variant, which may override its recipe, or name another reference than the
    target, which no published run has. Target and retrained models are not unlearned, so that
    section is no matter of theirs.
    """
    if hyper.get("reference", TARGET_REFERENCE) != TARGET_REFERENCE:
        return False
    overridden = {key: hyper[key] for key in OVERRIDES if key in hyper}
    ours = {**config, "unlearn": {**config["unlearn"], **overridden}}
    referred = method in (TARGET, RETRAIN)
    sections = {k: v for k, v in stated.items() if not (referred and k == "unlearn")}
    return holds(ours, sections)


def holds(config: Any, stated: Any) -> bool:
    """Whether a config has every key that is stated, with the same value."""
    if not isinstance(stated, dict):
        return config == stated
    return isinstance(config, dict) and all(
        key in config and holds(config[key], value) for key, value in stated.items()
    )
