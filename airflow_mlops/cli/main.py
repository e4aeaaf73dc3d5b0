"""The command ``airflow-mlops``."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from airflow_mlops.core.errors import MlopsError

#: Commands, each a module of this package (with _ for -); importing them is cheap, ``func`` imports what does the work.
COMMANDS: Final = (
    "answers",
    "audit",
    "aws",
    "card",
    "compare",
    "data",
    "datasets",
    "doctor",
    "erase",
    "evaluation",
    "labels",
    "lineage",
    "models",
    "monitoring",
    "plan-rollout",
    "predictions",
    "reproduce",
    "rollout",
    "serve",
    "spec",
    "status",
    "store",
    "story",
    "validation",
    "version",
)
#: Exit code for what the user can mend, the same that argparse uses.
MISTAKE: Final = 2
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="airflow-mlops", description="Data-centric MLOps for Apache Airflow.", allow_abbrev=False
    )
    add_commands(parser)
    return run(parser.parse_args(arguments))


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add all commands to a parser: our own, or the one of ``airflow mlops``."""
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"airflow_mlops.cli.{name.replace('-', '_')}").add_parser(subparsers)


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen command; a mistake of the user is one line and exit code 2, never a traceback."""
    from airflow_mlops.core.store.actor import act_as

    act_as(_user())
    command: Callable[[argparse.Namespace], int | None] = arguments.func
    try:
        code = command(arguments) or 0
        sys.stdout.flush()
    except MlopsError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except BrokenPipeError:
        # The reader of our output left (``| head``). Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _user() -> str:
    """The name of the account that runs the command, for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return f"uid {os.getuid()}"
