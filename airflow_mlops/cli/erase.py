"""``airflow-mlops erase``: find a person in the data of a model, take the rows out, and see that nobody comes back."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.core.errors import PlatformError, SpecError

if TYPE_CHECKING:
    from airflow_mlops.core.erasure.finding import Columns
    from airflow_mlops.core.erasure.subject import Subject
    from airflow_mlops.core.store import Store

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

#: Where the key for hashing is read from without ``--key-file``.
KEY_VARIABLE = "AIRFLOW_MLOPS_PRIVACY_SECRET"
#: Exit code of ``check`` when somebody is back.
BACK = 1
_ABOUT_ID = (
    "The id is read from a file or from standard input, never from the command line: that is seen by everybody on the "
    f"machine, and stays in the shell's history. The key is the privacy_secret of the mlops connection, in "
    f"{KEY_VARIABLE} or in a file."
)


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("erase", help="take a person out of the data of a model")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    seen = commands.add_parser(
        "find", help="say what the store holds of a person; change nothing", description=_ABOUT_ID
    )
    _add_place(seen)
    _add_person(seen)
    seen.set_defaults(func=run_find)
    done = commands.add_parser(
        "run",
        help="take the person's rows out of everything that the store holds",
        description="Writes versions with the other rows, then removes the old files. May be run again at any time. "
        + _ABOUT_ID,
    )
    _add_place(done)
    _add_person(done)
    done.add_argument(
        "--why", required=True, metavar="TEXT", help="for the record; not the person's name or id"
    )
    done.add_argument("--json", action="store_true", help="print the record as JSON; the steps go to stderr")
    done.set_defaults(func=run_erase)
    hashed = commands.add_parser(
        "hash", help="print the keyed hash of an id, for the form of the DAG", description=_ABOUT_ID
    )
    _add_person(hashed)
    hashed.set_defaults(func=run_hash)
    checked = commands.add_parser(
        "check",
        help="say whether a dataset version holds rows of people who were erased",
        description="Exit code 0: nobody; 1: somebody is back, as the source was not cleaned.",
    )
    _add_place(checked)
    checked.add_argument("id", metavar="ID", help="id of the dataset version, or its first characters")
    _add_key(checked)
    checked.set_defaults(func=run_check)


def run_find(arguments: argparse.Namespace) -> int:
    """Print a line for each place. :raises MlopsError: if an option is wrong, or something can't be read."""
    from airflow_mlops.core.data.source import open_data_root
    from airflow_mlops.core.erasure.finding import find
    from airflow_mlops.core.record import utc_now

    store, subject = _store(arguments), _subject(arguments)
    found = find(
        store,
        arguments.model,
        _columns(store, arguments),
        subject,
        now=utc_now(),
        root=open_data_root(arguments.data) if arguments.data else None,
        progress=_to_stderr,
    )
    print("\n".join(found.lines()))
    return 0


def run_erase(arguments: argparse.Namespace) -> int:
    """Erase, and print what was done. :raises MlopsError: if an option is wrong, or something can't be read."""
    from airflow_mlops.core.data.source import open_data_root
    from airflow_mlops.core.erasure.after import erasure_lines
    from airflow_mlops.core.erasure.learned import champion_of
    from airflow_mlops.core.erasure.run import Request, erase
    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.store.actor import actor

    store, subject, now = _store(arguments), _subject(arguments), utc_now()
    if subject.stands_in(arguments.why):
        raise SpecError("--why names the person", remedy="say why without the id: it stays in the record")
    done = erase(
        store,
        arguments.model,
        _columns(store, arguments),
        subject,
        Request(who=actor().who, why=arguments.why, at=now),
        root=open_data_root(arguments.data) if arguments.data else None,
        progress=_to_stderr,
    )
    if arguments.json:
        print(done.model_dump_json())
    else:
        print(
            "\n".join(erasure_lines(store, arguments.model, done, champion_of(store, arguments.model, now)))
        )
    return 0


def run_hash(arguments: argparse.Namespace) -> int:
    """Print the hash. :raises MlopsError: if there is no id or no key."""
    print(_subject(arguments).hash)
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Print how many people are back. :raises MlopsError: if an option is wrong, or the version can't be read."""
    from airflow_mlops.core.data.catalog import find_version
    from airflow_mlops.core.data.reading import load_version
    from airflow_mlops.core.data.source import open_data_root
    from airflow_mlops.core.erasure.after import returned
    from airflow_mlops.core.erasure.subject import Subject

    store, model = _store(arguments), arguments.model
    root = open_data_root(arguments.data) if arguments.data else None
    version = load_version(store, model, find_version(store, model, arguments.id), root=root)
    nobody = Subject.hashed("0" * 64, _key(arguments))
    back = returned(store, model, version, _columns(store, arguments).subject, nobody, progress=_to_stderr)
    for subject, rows in sorted(back.items()):
        print(f"{subject}: {rows:,} rows in {version.name}@{version.id}")
    if back:
        print(
            f"{len(back):,} people who were erased are back: delete them at the source, then erase them again"
        )
        return BACK
    print(f"nobody who was erased is in {version.name}@{version.id}")
    return 0


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model's name")
    add_store(parser)
    parser.add_argument("--data", metavar="URI", help="data root, for versions that read their files there")
    parser.add_argument(
        "--column", metavar="NAME", help="column with the ids; without it, data.subject of the newest version"
    )


def _add_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--subject-file",
        required=True,
        metavar="FILE",
        help="file with the person's id, one line; - for stdin",
    )
    _add_key(parser)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help=f"file with the key; without it, {KEY_VARIABLE}"
    )


def _store(arguments: argparse.Namespace) -> Store:
    from airflow_mlops.core.store import open_store

    return open_store(arguments.store)


def _columns(store: Store, arguments: argparse.Namespace) -> Columns:
    from airflow_mlops.core.erasure.finding import Columns, columns_of

    return Columns(arguments.column) if arguments.column else columns_of(store, arguments.model)


def _subject(arguments: argparse.Namespace) -> Subject:
    from airflow_mlops.core.erasure.subject import Subject

    given: str = arguments.subject_file
    text = sys.stdin.read() if given == "-" else _text(Path(given), "--subject-file")
    return Subject.of(text.rstrip("\r\n"), _key(arguments))


def _key(arguments: argparse.Namespace) -> str | None:
    if arguments.key_file is None:
        return os.environ.get(KEY_VARIABLE)
    return _text(arguments.key_file, "--key-file").strip()


def _text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlatformError(f"{option} can't be read", given=error.strerror) from None
    except UnicodeDecodeError:
        raise SpecError(option, given="bytes that are no text", expected="UTF-8") from None


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
