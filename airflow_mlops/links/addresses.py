"""Addresses of our own pages, relative to Airflow's base URL: they hold wherever Airflow runs, also below a path."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from airflow_mlops.ui.mounted import PREFIX

#: Below this part of our address every page of ours is shown within Airflow's frame.
OPEN: Final = "open"
_OPEN: Final = f"{PREFIX}/{OPEN}".removeprefix("/")
#: What is below ``/mlops`` and may be opened: a model's page, what lies below it, and a part of the page.
PAGE: Final = re.compile(
    r"models/[a-z0-9_]+(/[A-Za-z0-9_-]+){0,4}(\?of=[A-Za-z0-9]+)?(#[A-Za-z0-9_-]+)?", re.ASCII
)


def segment(name: str) -> str:
    """One part of a path. A dot or two alone would lead elsewhere, so they are written out."""
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")


def path_of_model(model: str) -> str:
    """Where a model has its page, below the address of these pages."""
    return f"models/{segment(model)}"


def path_of_version(model: str, version: int) -> str:
    """Where a version has its page, below the address of these pages."""
    return f"{path_of_model(model)}/versions/{version}"


def path_of_stored(model: str, kind: str, digest: str, of: str | int = "") -> str:
    """Where a stored report is shown, below the address of these pages; see :func:`stored_page`."""
    asked = f"?of={of}" if of else ""
    return f"{path_of_model(model)}/blob/{kind}/{digest}{asked}"


def model_page(model: str, part: str = "") -> str:
    """The page of a model. :param part: id of the part of the page that is shown first."""
    return f"{_OPEN}/{path_of_model(model)}{'#' if part else ''}{part}"


def version_page(model: str, version: int) -> str:
    """The page of a version."""
    return f"{_OPEN}/{path_of_version(model, version)}"


def stored_page(model: str, kind: str, digest: str, of: str = "") -> str:
    """A stored report.

    :param kind: ``evaluation``, ``data-docs``, ``drift`` or ``performance``.
    :param digest: SHA-256 of its blob.
    :param of: reference of the record that names it, where no version and no look does so yet; for an evaluation that
        of the trained model and then its own.
    """
    return f"{_OPEN}/{path_of_stored(model, kind, digest, of)}"


def is_address(address: object) -> bool:
    """Whether it is an address that this module made: a link leads to our pages and nowhere else."""
    return (
        isinstance(address, str)
        and address.startswith(f"{_OPEN}/")
        and PAGE.fullmatch(address.removeprefix(f"{_OPEN}/")) is not None
    )
