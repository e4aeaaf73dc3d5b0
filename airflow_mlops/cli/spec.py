"""``airflow-mlops spec``: check a model spec, or print what one may say."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("spec", help="check a model spec, or print what one may say")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="say whether a spec is right, and if not, where")
    check.add_argument("file", metavar="FILE", type=Path, help="the spec in YAML")
    check.set_defaults(func=run_check)
    schema = commands.add_parser(
        "schema",
        help="print the JSON schema of a spec",
        description="Print the JSON schema of a spec; editors complete and check YAML by it.",
    )
    schema.set_defaults(func=run_schema)


def run_check(arguments: argparse.Namespace) -> int:
    """Load the spec and print one line.

    :raises SpecError: if it is wrong; names every wrong field.
    """
    from airflow_mlops.spec import ModelSpec

    spec = ModelSpec.from_yaml(arguments.file)
    print(f"{arguments.file}: spec of {spec.name} is right")
    return 0


def run_schema(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from airflow_mlops.spec import ModelSpec

    print(json.dumps(ModelSpec.model_json_schema(), indent=2))
    return 0
