"""``airflow-mlops data``: the dataset versions of a store, what is in one, and what changed between two."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.core.wording import counted, days, minute, moment, size

if TYPE_CHECKING:
    from airflow_mlops.core.data.pin import Pin
    from airflow_mlops.core.data.version import Column, DatasetVersion
    from airflow_mlops.core.store import Store

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_ROOT_HELP = "data root, for versions that read their files there: a folder or s3://bucket/prefix"


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("data", help="list, show and compare dataset versions")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = commands.add_parser("list", help="list the versions of a data set, the oldest first")
    _add_place(listed)
    listed.set_defaults(func=run_list)
    shown = commands.add_parser("show", help="say what is in a version: files, rows, columns")
    _add_place(shown, "id")
    shown.set_defaults(func=run_show)
    compared = commands.add_parser(
        "diff",
        help="say what changed between two versions: rows, schema, columns",
        description="Rows are told apart by the key, or counted as a whole without one. Columns that moved most come "
        "first; their distance is Kolmogorov-Smirnov (KS) for numbers and times, else total variation (TV).",
    )
    _add_place(compared, "a", "b")
    compared.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column that names a row; may be given again for more columns",
    )
    compared.add_argument(
        "--spec", metavar="FILE", help="spec in YAML: without --key, its data.id names a row"
    )
    compared.set_defaults(func=run_diff)


def run_list(arguments: argparse.Namespace) -> int:
    """Print one line for each version.

    :raises MlopsError: if there is none, or the store can't be reached.
    """
    from airflow_mlops.core.data.catalog import list_versions
    from airflow_mlops.core.data.diff_text import table

    versions = list_versions(_store(arguments), arguments.model)
    if arguments.json:
        print("[" + ",\n".join(version.model_dump_json() for version in versions) + "]")
    else:
        print(
            "\n".join(table([("id", "taken", "rows", "files", "events", "made of"), *map(_line, versions)]))
        )
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print a version.

    :raises MlopsError: if there is none, or it was never read and can't be read now.
    """
    version = _load(_store(arguments), arguments, arguments.id)
    print(version.model_dump_json(indent=2) if arguments.json else "\n".join(_shown(version)))
    return 0


def run_diff(arguments: argparse.Namespace) -> int:
    """Print what changed.

    :raises MlopsError: if a version is not there or can't be read, the key does not name rows, or the spec is wrong.
    """
    from airflow_mlops.core.data.diff import diff
    from airflow_mlops.core.data.diff_text import diff_lines
    from airflow_mlops.spec import ModelSpec

    key = arguments.key
    if arguments.spec and not key:
        column = ModelSpec.from_yaml(arguments.spec).data.id
        key = [column] if column else []
    store = _store(arguments)
    a, b = (_load(store, arguments, one) for one in (arguments.a, arguments.b))
    found = diff(store, a, b, key=key)
    print(found.model_dump_json(indent=2) if arguments.json else "\n".join(diff_lines(found)))
    return 0


def _add_place(parser: argparse.ArgumentParser, *ids: str) -> None:
    parser.add_argument("model", metavar="MODEL", help="name of the model, or of a joined data set")
    for name in ids:
        parser.add_argument(name, metavar=name.upper(), help="id of a version, or its first characters")
    add_store(parser)
    if ids:
        parser.add_argument("--data", metavar="URI", help=_ROOT_HELP)
    parser.add_argument("--json", action="store_true", help="print records as JSON")


def _store(arguments: argparse.Namespace) -> Store:
    from airflow_mlops.core.store import open_store

    return open_store(arguments.store)


def _load(store: Store, arguments: argparse.Namespace, start: str) -> DatasetVersion:
    from airflow_mlops.core.data.catalog import find_version
    from airflow_mlops.core.data.reading import load_version
    from airflow_mlops.core.data.source import open_data_root

    root = open_data_root(arguments.data) if arguments.data else None
    return load_version(store, arguments.model, find_version(store, arguments.model, start), root=root)


def _line(version: DatasetVersion | Pin) -> tuple[str, ...]:
    from airflow_mlops.core.data.catalog import made_of
    from airflow_mlops.core.data.version import DatasetVersion

    taken = minute(version.created_at)
    if not isinstance(version, DatasetVersion):
        return version.id, taken, "not read yet", f"{len(version.sources):,}", "-", made_of(version)
    events = days(version.first_event, version.last_event)
    return version.id, taken, f"{version.rows:,}", f"{len(version.files):,}", events, made_of(version)


def _shown(version: DatasetVersion) -> list[str]:
    from airflow_mlops.core.data.catalog import made_of
    from airflow_mlops.core.data.diff_text import table
    from airflow_mlops.core.data.event_time import Window

    octets = sum(file.size for file in version.files)
    columns: Sequence[Column] = version.columns
    rows, files = counted(version.rows, "row"), counted(len(version.files), "file")
    return [
        f"{version.name}@{version.id}, taken {moment(version.created_at)}",
        f"{rows} of {files} ({size(octets)}) of {made_of(version)}",
        *([version.derivation.note] if version.derivation else []),
        f"{version.event_time}: {version.first_event.isoformat()} to {version.last_event.isoformat()}",
        f"window: {Window(version.since, version.until)}",
        "",
        *table(
            [
                ("column", "missing", "distinct", "min", "max", "mean", "type"),
                *(
                    (
                        one.name,
                        f"{one.nulls / version.rows:.1%}",
                        "> 1,000" if one.distinct is None else f"{one.distinct:,}",
                        _value(one.min),
                        _value(one.max),
                        _value(one.mean),
                        one.type,
                    )
                    for one in columns
                ),
            ]
        ),
    ]


def _value(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.6g}"
