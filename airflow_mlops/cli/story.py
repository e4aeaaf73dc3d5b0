"""``airflow-mlops story``: what happened to a version, or to all of a model, in the order of time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_mlops.cli import of_version

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "story",
        help="the full story of a version or a model, in the order of time",
        description="From the bytes of the source to how it stands now, from the store alone: data, tests, training, "
        "evaluation, approval, stages, promotion, looks, alerts, rollbacks, reproductions, erasures.",
    )
    parser.add_argument(
        "version", metavar="MODEL[:VERSION]", help="e.g. churn:3; all versions without a number"
    )
    of_version.add_arguments(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the story. :raises MlopsError: if there is no such version."""
    from airflow_mlops.core.card.story import lines, tell
    from airflow_mlops.core.store import open_store

    model, version = of_version.split(arguments.version)
    story = tell(open_store(arguments.store), model, version, as_of=of_version.as_of(arguments))
    if arguments.json:
        print(story.model_dump_json(indent=2))
        return 0
    for line in lines(story):
        print(line)
    return 0
