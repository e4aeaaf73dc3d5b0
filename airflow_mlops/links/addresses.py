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


def model_page(model: str, part: str = "") -> str:
    """The page of a model. :param part: id of the part of the page that is shown first."""
    return _address(f"models/{quote(model, safe='')}", part)


def version_page(model: str, version: int) -> str:
    """The page of a version."""
    return _address(f"models/{quote(model, safe='')}/versions/{version}")


def stored_page(model: str, kind: str, digest: str, of: str = "") -> str:
    """A stored report.

    :param kind: ``evaluation``, ``data-docs``, ``drift`` or ``performance``.
    :param digest: SHA-256 of its blob.
    :param of: reference of the record that names it, where no version and no look does so yet; for an evaluation that
        of the trained model and then its own.
    """
    asked = f"?of={of}" if of else ""
    return _address(f"models/{quote(model, safe='')}/blob/{kind}/{digest}{asked}")


def is_address(address: object) -> bool:
    """Whether it is an address that this module made: a link leads to our pages and nowhere else."""
    return (
        isinstance(address, str)
        and address.startswith(f"{_OPEN}/")
        and PAGE.fullmatch(address.removeprefix(f"{_OPEN}/")) is not None
    )


def _address(path: str, part: str = "") -> str:
    return f"{_OPEN}/{path}{'#' if part else ''}{part}"
