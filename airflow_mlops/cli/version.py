"""``airflow-mlops version``: what is installed."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from airflow_mlops import __version__

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("version", help="print the versions of airflow-mlops and Airflow")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line."""
    try:
        airflow = version("apache-airflow")
    except PackageNotFoundError:
        airflow = "not installed"
    print(f"airflow-mlops {__version__} (Apache Airflow {airflow})")
    return 0
