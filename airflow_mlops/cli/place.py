"""The store that a command looks at, and the models in it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import PlatformError, RegistryError
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    from airflow_mlops.core.store import Store

_SHOWN = 10


def add_store(parser: argparse.ArgumentParser) -> None:
    """The option that says where the store is."""
    parser.add_argument("--store", required=True, metavar="URI", help="a folder or s3://bucket/prefix")


def existing_store(place: str) -> Store:
    """The store there.

    :raises PlatformError: if there is no such folder: a command that only looks makes none.
    """
    from airflow_mlops.core.store import open_store

    require_store(place)
    return open_store(place)


def require_store(place: str) -> None:
    """Refuse a folder that is not there: a name that was mistyped. :raises PlatformError: if it is so."""
    if not is_there(place):
        raise PlatformError("no store there", given=place, expected="the folder of a store")


def is_there(place: str) -> bool:
    """Whether a store can be opened without making its folder."""
    from airflow_mlops.core.store.opening import folder_of

    folder = folder_of(place)
    return folder is None or folder.is_dir()


def require_model(store: Store, model: str) -> str:
    """The name of a model. :raises RegistryError: if the store does not know it; names what it knows."""
    from airflow_mlops.core.overview import model_names

    known = model_names(store)
    if model in known:
        return model
    raise RegistryError(
        f"{store.uri} knows nothing of this model",
        given=repr(model[:200]),
        expected=f"one of {some(known, _SHOWN)}" if known else "a store with a model",
    )
