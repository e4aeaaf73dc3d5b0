"""``airflow-mlops audit``: is everything still as it was written, who wrote it, and when."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.moment import moment
from airflow_mlops.cli.place import add_store, existing_store
from airflow_mlops.cli.writing import writing
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.wording import counted, second

if TYPE_CHECKING:
    from airflow_mlops.core.audit.exporting import AuditEvent
    from airflow_mlops.core.store import Store

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_FOUND = 1


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("audit", help="verify, show and export the audit log")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_verify(commands)
    log = commands.add_parser("log", help="say who changed what, and when")
    _add_place(log)
    log.add_argument("--since", metavar="TIME", help="ISO 8601, UTC without a zone: 2026-03-01")
    log.add_argument("--all", action="store_true", help="announcements too, not only what was done")
    log.add_argument("--json", action="store_true", help="print JSON lines")
    log.set_defaults(func=run_log)
    exported = commands.add_parser("export", help="write all entries with their records as JSON lines")
    _add_place(exported)
    exported.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="a new file, e.g. audit.jsonl"
    )
    exported.set_defaults(func=run_export)
    head = commands.add_parser(
        "head",
        help="print the newest entry as NUMBER:HASH",
        description="Note it where nobody who may write to the store may write: verify --expect proves later that it "
        "still stands.",
    )
    _add_place(head)
    head.set_defaults(func=run_head)
    adopt = commands.add_parser(
        "adopt",
        help="vouch for records that stand in no chain",
        description="For a store from before there was an audit log. The records are taken as they are now.",
    )
    _add_place(adopt)
    adopt.add_argument("--who", required=True, help="who vouches for them")
    adopt.add_argument("--why", required=True, help="why they are right as they are")
    adopt.set_defaults(func=run_adopt)


def run_verify(arguments: argparse.Namespace) -> int:
    """Print what was found; return 1 if anything was.

    :raises MlopsError: if there is no such model, ``--expect`` is no head, or the store can't be read.
    """
    from airflow_mlops.core.audit import verify
    from airflow_mlops.core.data.source import open_data_root

    report = verify(
        _store(arguments),
        arguments.model,
        expect=arguments.expect,
        deep=not arguments.quick,
        root=open_data_root(arguments.data) if arguments.data else None,
        progress=lambda line: print(line, file=sys.stderr),
    )
    if arguments.json:
        print(report.model_dump_json(indent=2))
        return 0 if report.whole else _FOUND
    for finding in report.findings:
        print(f"{finding.kind}: {finding.said}")
    for note in report.notes:
        print(f"note: {note}")
    for chain in report.chains:
        print(f"{chain.chain}  {chain.head}")
    print(f"{report.reason} ({report.store})")
    return 0 if report.whole else _FOUND


def run_log(arguments: argparse.Namespace) -> int:
    """Print one line for each event, the oldest first.

    :raises MlopsError: if there is no such model, ``--since`` is no time, or the store can't be read.
    """
    from airflow_mlops.core.audit import events

    count = 0
    for event in events(_store(arguments), arguments.model, since=moment("--since", arguments.since)):
        if event.event == "announced" and not arguments.all:
            continue
        count += 1
        print(event.model_dump_json() if arguments.json else _line(event))
    if not arguments.json:
        print(f"{count:,} events of {arguments.model or 'all models and the store'} in {arguments.store}")
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Write the file, whole or not at all.

    :raises MlopsError: if there is no such model, the file is there already, or can't be written.
    """
    from airflow_mlops.core.audit import export
    from airflow_mlops.core.data.landing import landing

    out: Path = arguments.out
    if out.exists():
        raise PlatformError(f"{out} is there already", remedy="choose another name")
    lines = 0
    with writing(out), landing(out) as aside, aside.open("w", encoding="utf-8") as stream:
        for line in export(_store(arguments), arguments.model):
            stream.write(f"{line}\n")
            lines += 1
    print(f"{out}: {lines:,} entries of {arguments.model or 'all models and the store'}")
    return 0


def run_head(arguments: argparse.Namespace) -> int:
    """Print the head of a model's chain, or of all chains with their names.

    :raises MlopsError: if there is no such model, or the store can't be read.
    """
    from airflow_mlops.core.audit.verifying import chains_of
    from airflow_mlops.core.store.chain import head_of

    store = _store(arguments)
    for chain in chains_of(store, arguments.model):
        found = head_of(store, chain)
        print(found if arguments.model else f"{chain}  {found}")
    return 0


def run_adopt(arguments: argparse.Namespace) -> int:
    """Vouch for the records and print their keys.

    :raises MlopsError: if there is no such model, nobody vouches, or the store can't be written.
    """
    from airflow_mlops.core.audit import adopt

    keys = adopt(_store(arguments), arguments.model, who=arguments.who, why=arguments.why)
    for key in keys:
        print(key)
    print(f"{counted(len(keys), 'record')} adopted in {arguments.store}, {arguments.who} vouches for them")
    return 0


def _add_verify(commands: SubParsers) -> None:
    parser = commands.add_parser(
        "verify",
        help="find everything that was changed past the audit log",
        description="Exit code 0: all is as it was written; 1: something is not; 2: a mistake in the command.",
    )
    _add_place(parser)
    parser.add_argument("--quick", action="store_true", help="don't hash the blobs that records name")
    parser.add_argument(
        "--expect", metavar="NUMBER:HASH", help="a head that was noted earlier: it must still stand"
    )
    parser.add_argument(
        "--data", metavar="URI", help="data root, to look up data that are pinned in a bucket"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(func=run_verify)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="name of the model; all, and the store's own, without it"
    )
    add_store(parser)


def _store(arguments: argparse.Namespace) -> Store:
    return existing_store(arguments.store)


def _line(event: AuditEvent) -> str:
    run = f" ({event.run})" if event.run else ""
    why = f": {event.why}" if event.why else ""
    return f"{second(event.at)}  {event.kind:<8}  {event.said}{why}  by {event.who}{run}"
