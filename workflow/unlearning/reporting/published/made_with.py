"""Whether published numbers and ours were made and measured in the same way."""

from collections.abc import Mapping
from typing import Any

from unlearning.config.runs import OVERRIDES
from unlearning.methods.references import TARGET as TARGET_REFERENCE
from unlearning.reporting.labels import RETRAIN, TARGET


def same_settings(
    published: Mapping[str, Any], method: str, hyper: Mapping[str, Any], config: Mapping[str, Any]
) -> bool:
    """Whether a run has the settings that a source of published numbers states.

    published: sections of a config with the keys that the source's numbers depend on. hyper: the
    variant's in the config, which may override its recipe, or name another reference than the
    target, which no published run has. Target and retrained models are not unlearned: section
    `unlearn` does not count for them.
    """
    if hyper.get("reference", TARGET_REFERENCE) != TARGET_REFERENCE:
        return False
    # a variant's own epochs or learning rate, in place of the section's
    overridden = {key: hyper[key] for key in OVERRIDES if key in hyper}
    ours = {**config, "unlearn": {**config["unlearn"], **overridden}}
    sections = dict(published)
    if method in (TARGET, RETRAIN):
        sections.pop("unlearn", None)
    return holds(ours, sections)


def holds(config: Any, settings: Any) -> bool:
    """Whether a config has every key of some settings, with the same value."""
    if not isinstance(settings, dict):
        return config == settings
    if not isinstance(config, dict):
        return False
    return all(key in config and holds(config[key], v) for key, v in settings.items())
