"""``airflow mlops ...``: the commands of ``airflow-mlops``, offered inside Airflow's own command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand

from airflow_mlops.cli.main import add_commands, run


def get_mlops_cli_commands() -> list[CLICommand]:
    """The commands that this provider adds; Airflow calls this at every start of ``airflow``."""
    return [
        ActionCommand(
            name="mlops",
            help="Release, serve and look after models",
            func=run_in_airflow,
            args=(_CommandTree(),),
        )
    ]


def run_in_airflow(arguments: argparse.Namespace) -> None:
    """Run the chosen command; Airflow ignores what a command returns, so the exit code is set here."""
    arguments.func = arguments.mlops_func
    sys.exit(run(arguments))


class _CommandTree(Arg):
    """An argument that adds the whole tree of commands, so that both spellings have one definition."""

    def __init__(self) -> None:
        super().__init__(flags=("command",))  # type: ignore[no-untyped-call]

    def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the commands; each is run by :func:`run_in_airflow`, which knows what to do with mistakes."""
        add_commands(parser)
        for leaf in _leaves(parser):
            leaf.set_defaults(mlops_func=leaf.get_default("func"), func=run_in_airflow)


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands that can be run; one that has commands below it may be one of them."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups or parser.get_default("func"):
        yield parser
    for group in groups:
        for child in group.choices.values():
            yield from _leaves(child)
