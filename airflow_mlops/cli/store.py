"""``airflow-mlops store``: look after a store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("store", help="look after a store")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    probe = commands.add_parser(
        "probe",
        help="prove that a store can be trusted",
        description="Race sixteen writers for a few scratch keys: of each key exactly one may win. "
        "S3 credentials and AWS_ENDPOINT_URL come from the environment, as for any AWS tool.",
    )
    probe.add_argument("uri", metavar="URI", help="a folder or s3://bucket/prefix")
    probe.set_defaults(func=run_probe)


def run_probe(arguments: argparse.Namespace) -> int:
    """Open the store and race for it.

    :raises UnsafeStore: if two writers win.
    :raises MlopsError: if the place is no store or can't be reached.
    """
    from airflow_mlops.core.store import open_store
    from airflow_mlops.core.store.probe import probe

    store = open_store(arguments.uri)
    probe(store)
    print(f"{store.uri} keeps its promises: one of many writers wins")
    return 0
