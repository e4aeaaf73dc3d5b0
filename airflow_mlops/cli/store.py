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
    prune = commands.add_parser(
        "prune",
        help="remove dataset versions and blobs that no kept model refers to",
        description="Uses the retention section of the spec, or its defaults. Blobs go in two runs: the first finds "
        "what nothing refers to, one after the grace removes it.",
    )
    prune.add_argument("uri", metavar="URI", help="a folder or s3://bucket/prefix")
    prune.add_argument("spec", metavar="SPEC", help="YAML file of the model spec")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    prune.set_defaults(func=run_prune)


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


def run_prune(arguments: argparse.Namespace) -> int:
    """Let retention remove what nobody needs, and say what went.

    :raises MlopsError: if the spec or a manifest can't be read, or the store can't be reached.
    """
    from airflow_mlops.core.retention.run import prune
    from airflow_mlops.core.store import open_store
    from airflow_mlops.spec import ModelSpec, Retention

    spec = ModelSpec.from_yaml(arguments.spec)
    store = open_store(arguments.uri)
    done = prune(store, spec.name, spec.retention or Retention(), dry_run=arguments.dry_run, progress=print)
    for name in done.datasets:
        print(f"  {name}")
    print(done.reason)
    return 0
