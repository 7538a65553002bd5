"""Settings for a stage that a person calls without the JSON settings that its rule passes.

They come from config files (`--config FILE … KEY=VALUE …`). Without --config they come from the
model folder and the folder of tables: run.json of the model holds prompt format and precision, the
tables' origin holds benchmark and splits, and all else takes the defaults of the schema.
"""

from argparse import Namespace
from pathlib import Path

from unlearning.config.entries import typed_values
from unlearning.config.experiment import Experiment
from unlearning.config.reading import ROOT, read_experiment
from unlearning.config.schema import schema_for, with_defaults
from unlearning.data.origin import read_origin
from unlearning.errors import UserError, seen_from
from unlearning.files import RUN_FILE, read_json

ADVICE = "name the experiment's config by --config FILE"


def complete(args: Namespace) -> None:
    """Fill in args.settings and args.split; UserError if the experiment is not known."""
    experiment = read_config(args.config) if args.config else read_folders(args)
    # stages without --split have no such attribute, so "" stands for "nothing to fill in"
    if getattr(args, "split", "") is None:
        splits = experiment.config["forget_splits"]
        if len(splits) > 1:
            raise UserError(f"--split: which forget split? There are {', '.join(splits)}")
        args.split = splits[0]
    args.settings = args.settings_of(experiment, args)


def read_config(entries: list[str]) -> Experiment:
    """The experiment of config files, later ones over earlier ones, and of KEY=VALUE entries."""
    files = [Path(entry) for entry in entries if "=" not in entry]
    return read_experiment(files, typed_values([entry for entry in entries if "=" in entry]))


def read_folders(args: Namespace) -> Experiment:
    """The experiment that a model folder and a folder of tables record."""
    model, data = Path(getattr(args, "model", "")), getattr(args, "data", None)
    if not model.is_dir():
        raise UserError(f"--model: no folder '{model}'{seen_from(model)}")
    record = read_json(model / RUN_FILE) if (model / RUN_FILE).is_file() else {}
    settings = record.get("settings", {})  # none of a model that was restored, not trained
    if "prompt" not in settings:
        raise UserError(f"'{model}' has no {RUN_FILE} that says its prompt format: {ADVICE}")
    if data is None:
        raise UserError(f"a model alone does not say what the experiment is: {ADVICE}")
    origin = read_origin(data)
    # `methods` is a key that every config has; a model that is only looked at needs none
    config = {
        "experiment": "by-hand",
        "data": origin["data"],
        "forget_splits": origin["splits"],
        "model": {"path": str(model)},
        "methods": {},
    }
    # the prompt format of the model's training: in another one it would seem to have forgotten
    for key in ("prompt", "system", "precision"):
        if key in settings:
            config["model"][key] = settings[key]
    return Experiment(with_defaults(config, schema_for(config, ROOT)))
