"""Checks Snakemake's command line before Snakemake reads it.

Of an option that is given twice Snakemake takes the last, without a word; a config file that it
cannot read, and an entry of --config that is none, end in its traceback. Snakemake imports this
package for each run, before any of that.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import wraps

from snakemake import cli
from snakemake_interface_executor_plugins.settings import ExecMode

# Option that takes several values -> its spellings, and how the values of two go together.
ONCE = {
    "--config": (("--config", "-C"), "put all values behind one, as in --config a=1 b=2"),
    "--configfile": (
        ("--configfile", "--configfiles"),
        'put all files behind one, or into make\'s CONFIG="a.yaml b.yaml"',
    ),
}


def check_command_lines() -> None:
    """Let Snakemake's command line check each run that a person starts."""
    run: Callable[[Namespace, ArgumentParser], bool] = cli.args_to_api

    @wraps(run)
    def args_to_api(args: Namespace, parser: ArgumentParser) -> bool:
        # jobs are Snakemakes, too, whose command lines Snakemake writes itself
        if args.mode == ExecMode.DEFAULT:
            problems = repeated_options(sys.argv[1:])
            problems += unreadable_sources(args.configfile or [], args.config or [])
            if problems:
                print("The command cannot be run:", *problems, sep="\n- ", file=sys.stderr)
                return False
        return run(args, parser)

    cli.args_to_api = args_to_api


def repeated_options(words: list[str]) -> list[str]:
    """A message for each option of ONCE that stands more than once among the words."""
    problems = []
    for option, (spellings, advice) in ONCE.items():
        count = sum(word.partition("=")[0] in spellings for word in words)
        if count > 1:
            problems.append(
                f"{option} is given {count} times, and Snakemake takes the last alone: {advice}"
            )
    return problems


def unreadable_sources(files: list, entries: list[str]) -> list[str]:
    """What keeps config files and entries KEY=VALUE from being read."""
    modules = set(sys.modules)
    from unlearning.config.entries import typed_values
    from unlearning.config.strict import read_file
    from unlearning.errors import UserError

    problems = []
    for read, sources in ((read_file, files), (typed_values, [[entry] for entry in entries])):
        for source in sources:
            try:
                read(source)
            except UserError as error:
                problems.append(str(error))
    # the workflow imports this package from its own folder, which may be another one
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] == "unlearning":
            del sys.modules[name]
    return problems
