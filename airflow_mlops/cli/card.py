"""``airflow-mlops card``: the model card of a version."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli import of_version
from airflow_mlops.cli.writing import write_file
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.wording import size

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_ENDINGS = (".html", ".md")


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "card",
        help="the model card of a version, from its records",
        description="The model card of a registered version, from the store alone: purpose, owner, data and their "
        "tests, metrics per slice, limits, approvals, deployments, incidents, hashes. Without --out as Markdown.",
    )
    parser.add_argument("version", metavar="MODEL:VERSION", help="e.g. churn:3")
    of_version.add_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write: .html or .md")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Write or print the card.

    :raises MlopsError: if there is no such version, or the file can't be written.
    """
    from airflow_mlops.core.card.as_html import as_html
    from airflow_mlops.core.card.as_markdown import as_markdown
    from airflow_mlops.core.card.card import card_of
    from airflow_mlops.core.card.dossier import gather
    from airflow_mlops.core.store import open_store

    out: Path | None = arguments.out
    if out is not None and out.suffix not in _ENDINGS:
        raise SpecError("--out", given=out, expected="a file that ends in .html or .md")
    if out is not None and arguments.json:
        raise SpecError("--json prints, and --out writes a file", remedy="give one of them")
    model, version = of_version.split(arguments.version)
    if version is None:
        raise SpecError("a card is of one version", given=arguments.version, expected=f"{model}:VERSION")
    dossier = gather(open_store(arguments.store), model, version, as_of=of_version.as_of(arguments))
    if arguments.json:
        print(dossier.model_dump_json(indent=2))
        return 0
    card = card_of(dossier)
    if out is None:
        print(as_markdown(card), end="")
        return 0
    page = (as_html if out.suffix == ".html" else as_markdown)(card).encode()
    write_file(page, out)
    print(f"{out}: card of {dossier.name}, {card.complete} complete, {size(len(page))}")
    return 0
