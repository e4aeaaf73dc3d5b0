"""``airflow-mlops lineage``: from source bytes to the endpoint, and the way back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.cited import parse_cited
from airflow_mlops.cli.place import add_store
from airflow_mlops.cli.writing import write_file
from airflow_mlops.core.errors import SpecError

if TYPE_CHECKING:
    from airflow_mlops.core.lineage.graph import Graph, Impact

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

#: Exit code of a question whose answer is "nothing".
NOTHING = 1
_PICTURES = (".svg", ".html")


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "lineage",
        help="say what a model version was made of, or what a file or a dataset version has touched",
        description="One question at a time: MODEL:VERSION for the path from source bytes to the endpoint; --file or "
        "--dataset for the models, the time in traffic and the predictions that it has touched. Exit code 1: nothing "
        "was touched.",
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "version", nargs="?", metavar="MODEL:VERSION", help="a registered version, e.g. flight_delay:3"
    )
    asked.add_argument("--file", metavar="FILE", help="a path, a URI, or a SHA-256 or its first eight digits")
    asked.add_argument("--dataset", metavar="NAME@ID", help="a dataset version; the id may be cut short")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print records as JSON")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also draw it: a file that ends in .svg or .html"
    )
    parser.add_argument(
        "--files", type=_count, default=5, metavar="N", help="files of each dataset version to name (5)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="forget the index on this machine and read the whole store"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Answer the question.

    :raises MlopsError: if it can't be told what is meant, or the store can't be read.
    """
    out: Path | None = arguments.out
    if out is not None and out.suffix not in _PICTURES:
        raise SpecError("--out", given=out, expected="a file that ends in .svg or .html")
    return _path(arguments) if arguments.version is not None else _impact(arguments)


def _path(arguments: argparse.Namespace) -> int:
    from airflow_mlops.core.lineage.graph import upstream
    from airflow_mlops.core.lineage.graph.text import graph_lines
    from airflow_mlops.core.store import open_store

    model, number = parse_cited(arguments.version)
    store = open_store(arguments.store)
    graph = upstream(store, model, number, files=arguments.files, fresh=arguments.fresh)
    print(graph.model_dump_json(indent=2) if arguments.json else "\n".join(graph_lines(graph)))
    _draw(arguments, graph)
    return 0


def _impact(arguments: argparse.Namespace) -> int:
    from airflow_mlops.core.lineage.graph import downstream
    from airflow_mlops.core.lineage.graph.text import impact_lines
    from airflow_mlops.core.store import open_store

    impact = downstream(
        open_store(arguments.store), file=arguments.file, dataset=arguments.dataset, fresh=arguments.fresh
    )
    print(impact.model_dump_json(indent=2) if arguments.json else "\n".join(impact_lines(impact)))
    _draw(arguments, impact)
    return 0 if impact.found else NOTHING


def _draw(arguments: argparse.Namespace, found: Graph | Impact) -> None:
    """Write the picture. :raises PlatformError: if the file can't be written."""
    out: Path | None = arguments.out
    if out is None:
        return
    from airflow_mlops.core.lineage.graph.page import page_of
    from airflow_mlops.core.lineage.graph.picture import picture_of

    whole = picture_of(found) if out.suffix == ".svg" else page_of(found)
    write_file(whole.encode(), out)
    if not arguments.json:
        print(f"\n{out}")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of files; e.g. 5")
    return int(text)
