"""``airflow-mlops serve``: the local endpoint server."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.core.errors import EndpointError

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

TOKEN_ENV = "AIRFLOW_MLOPS_ENDPOINT_TOKEN"  # noqa: S105 - a name, not a token


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "serve",
        help="answer requests with the models of a store",
        description="Serve all models of a store, as their deployment logs say, until SIGTERM. Captured "
        "answers wait in a local spool for the store; AIRFLOW_MLOPS_SPOOL moves it.",
    )
    add_store(parser)
    parser.add_argument("--host", default="127.0.0.1", help="beyond loopback a token is needed (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (%(default)s)")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"file with the bearer token; without it, ${TOKEN_ENV}",
    )
    parser.add_argument(
        "--spool", type=Path, metavar="DIR", help="folder of captures on their way to the store"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop.

    :raises EndpointError: if the address can't be had, or lies beyond loopback and there is no token.
    """
    from airflow_mlops.core.serving.server import Address, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    address = Address(arguments.host, arguments.port, read_token(arguments.token_file))
    serve(arguments.store, address, spool=arguments.spool)
    return 0


def read_token(file: Path | None) -> str | None:
    """The token from a file, else from the environment, None without either.

    :raises EndpointError: if the file can't be read or is empty.
    """
    if file is None:
        return os.environ.get(TOKEN_ENV) or None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise EndpointError("token file can't be read", given=str(file), expected=error.strerror) from None
    if not token:
        raise EndpointError("token file is empty", given=str(file), expected="the token on one line")
    return token
