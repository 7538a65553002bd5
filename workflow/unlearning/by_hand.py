"""Settings of a stage that a person calls without those that its rule spells out as JSON.

They are those of an experiment: of config files (`--config FILE … KEY=VALUE …`), or, where a stage
is given a trained model and a folder of tables, of what these two say of themselves: the prompt
format and precision in the model's run.json, the benchmark and its splits in the tables' origin.
All else takes the defaults of the schema.
"""

from argparse import Namespace
from pathlib import Path

from unlearning.config.experiment import Experiment
from unlearning.config.reading import ROOT, read_experiment, typed_values
from unlearning.config.schema import schema_for, with_defaults
from unlearning.data.origin import read_origin
from unlearning.errors import UserError
from unlearning.files import RUN_FILE, read_json

SAY = "name the experiment's config by --config FILE"


def complete(args: Namespace) -> None:
    """Fill in args.settings, and what else follows from the experiment; UserError if it cannot be
    said what the experiment is."""
    experiment = configured(args.config) if args.config else recorded(args)
    if getattr(args, "split", "") is None:
        splits = experiment.config["forget_splits"]
        if len(splits) > 1:
            raise UserError(f"--split: which forget split? There are {', '.join(splits)}")
        args.split = splits[0]
    args.settings = args.settings_of(experiment, args)


def configured(entries: list[str]) -> Experiment:
    """The experiment of config files, each laid over the one before, and of KEY=VALUE entries."""
    files = [Path(entry) for entry in entries if "=" not in entry]
    return read_experiment(files, typed_values([entry for entry in entries if "=" in entry]))


def recorded(args: Namespace) -> Experiment:
    """The experiment that a model folder and a folder of tables tell of."""
    model, data = Path(getattr(args, "model", "")), getattr(args, "data", None)
    if not (model / RUN_FILE).is_file():
        raise UserError(f"'{model}' has no {RUN_FILE} that says its prompt format: {SAY}")
    if data is None:
        raise UserError(f"a model alone does not say what the experiment is: {SAY}")
    trained = read_json(model / RUN_FILE)["settings"]
    origin = read_origin(data)
    described = {key: trained[key] for key in ("prompt", "system", "precision") if key in trained}
    config = {
        "experiment": "by-hand",
        "data": origin["data"],
        "forget_splits": origin["splits"],
        "model": {"path": str(model), **described},
        "methods": {},
    }
    return Experiment(with_defaults(config, schema_for(config, ROOT)))
