"""Where a config comes from: files, each laid over the one before, then the command line.

Snakemake reads the same sources, but of a key that is stated twice it takes the last, and it hands
on what stands inside a value of `--config` as text. So its sources are read again here, for the
workflow, `plan` and `assets` alike.
"""

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from unlearning.config.entries import merged
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.config.preflight import NO_SITE, preflight
from unlearning.config.scalars import core
from unlearning.config.schema import ConfigError, schema_for
from unlearning.config.strict import read_file

ROOT = Path(__file__).resolve().parents[3]


def add_config_arguments(parser: ArgumentParser) -> None:
    """--configfile and --config, as Snakemake has them."""
    parser.add_argument(
        "--configfile",
        "--configfiles",
        type=Path,
        nargs="+",
        action="extend",
        required=True,
        metavar="FILE",
        help="config of the experiment; each further file is laid over those before",
    )
    parser.add_argument(
        "--config",
        "-C",
        nargs="*",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="values over those of the files, as in: --config rehearsal=true 'unlearn={lr: 1e-4}'",
    )


def read_experiment(files: Iterable[Path], values: dict[str, Any], root: Path = ROOT) -> Experiment:
    """The experiment that config files and values of the command line describe together.

    values: top-level key -> value; text inside them is what the user typed. root: the project.
    Raises ConfigError with everything that is wrong.
    """
    config: dict = {}
    problems: list[str] = []
    for path in files:
        content, repeated = read_file(path)
        config = merged(config, content)
        problems += repeated
    # which schema types the values depends on the source, which they may themselves name
    config = merged(config, typed(values, schema_for(merged(config, values), root)))
    try:
        experiment = load_experiment(config, root)
    except ConfigError as error:
        raise ConfigError(problems + error.problems, error.experiment) from None
    if problems:
        raise ConfigError(problems, experiment)
    return experiment


def ready_experiment(
    files: Iterable[Path],
    values: dict[str, Any],
    root: Path,
    site: Mapping[str, Iterable[str]] = NO_SITE,
) -> Experiment:
    """read_experiment(), with what must be there before the first job; ConfigError with what is
    wrong with either. site: names of a cluster's in the profile (cluster.site)."""
    problems: list[str] = []
    try:
        experiment = read_experiment(files, values, root)
    except ConfigError as error:
        problems, experiment = error.problems, error.experiment
    try:
        preflight(experiment, site)
    except ConfigError as error:
        problems = problems + error.problems
    except Exception:
        # what preflight() looks at may be what is refused: then the next run says the rest
        if not problems:
            raise
    if problems:
        raise ConfigError(problems)
    return experiment


def typed(value, schema: dict):
    """What was typed on the command line, with text read as null, truth value or number wherever
    the schema does not want text."""
    if isinstance(value, dict):
        rules, default = schema.get("properties", {}), schema.get("additionalProperties")
        if not isinstance(default, dict):
            default = {}
        return {key: typed(part, rules.get(key, default)) for key, part in value.items()}
    if isinstance(value, list):
        return [typed(part, schema.get("items", {})) for part in value]
    if not isinstance(value, str):
        return value
    # None: so Snakemake hands an empty value on to the jobs of a cluster
    scalar, types = core("null" if value == "None" else value), schema.get("type", [])
    if "string" in types and not (scalar is None and "null" in types):
        return value
    return scalar
