"""The page of one version: its whole story, and what lies behind it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from airflow_mlops.core.card.card import card_of, stands
from airflow_mlops.core.card.dossier import Dossier, gather
from airflow_mlops.core.card.fields import said
from airflow_mlops.core.card.story import of_dossier
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.registry.version import version_log
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.base import is_key
from airflow_mlops.ui.access import Model, User, visible
from airflow_mlops.ui.actions import Wanted, permitted
from airflow_mlops.ui.links import Links
from airflow_mlops.ui.rendering import page
from airflow_mlops.ui.source import ReadStore
from airflow_mlops.ui.stored import sandboxed
from airflow_mlops.ui.version_parts.glance import glance
from airflow_mlops.ui.version_parts.looks import newest_reports
from airflow_mlops.ui.version_parts.neighbours import data_before, neighbours
from airflow_mlops.ui.version_parts.sections import gaps, sections
from airflow_mlops.ui.version_parts.stored import Stored
from airflow_mlops.ui.version_parts.timeline import timeline

router = APIRouter()


def require_version(model: Model, number: str, store: ReadStore) -> int:
    """The version of a path.

    :raises HTTPException: 404, if it is not there; in a line that names what is.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,8}", number) or not is_key(model):
        raise HTTPException(404, detail="no such version")
    if not store.exists(version_log(store, model).key(int(number))):
        try:
            Registry(store, model).cite(int(number))
        except RegistryError as error:
            raise HTTPException(404, detail=str(error)) from None
    return int(number)


#: The parameter ``number`` of a path, checked.
Version = Annotated[int, Depends(require_version)]


@router.get("/models/{model}/versions/{number}")
def version_page(request: Request, model: Model, number: Version, store: ReadStore, user: User) -> Response:
    """One version: how it stands, in short, what happened, and each section."""
    dossier = _dossier(store, model, number)
    before = data_before(store, model, number)
    (word, told), look = stands(dossier)
    around = neighbours(store, model, number)
    return page(
        request,
        "version/page.html",
        model=model,
        number=number,
        word=word,
        told=told,
        look=look,
        description=said(dossier.record.spec, "description"),
        around=around,
        run=dossier.record.run,
        actions=permitted(user, model, Links.of(request), _wanted(dossier)),
        glance=glance(dossier, before),
        gaps=gaps(dossier),
        timeline=timeline(of_dossier(dossier).events),
        sections=sections(dossier, before, newest_reports(store, dossier)),
    )


@router.get("/models/{model}/versions/{number}/lineage")
def lineage(request: Request, model: Model, number: Version, store: ReadStore, user: User) -> Response:
    """What the version was made of and what it led to, as a picture and in words."""
    from airflow_mlops.ui.version_parts.ancestry import ancestry

    found = ancestry(store, model, number, lambda others: visible(user, others))
    return _part(request, "version/lineage.html", f"Lineage of {model}:{number}", model, number, found=found)


@router.get("/models/{model}/versions/{number}/audit")
def audit(request: Request, model: Model, number: Version, store: ReadStore) -> Response:
    """What the audit log says of the records that the version rests on."""
    from airflow_mlops.ui.version_parts.audited import audited

    found = audited(store, model, number)
    return _part(request, "version/audit.html", f"Audit of {model}:{number}", model, number, found=found)


@router.get("/models/{model}/versions/{number}/card.html")
def card_as_html(model: Model, number: Version, store: ReadStore, keep: bool = False) -> Response:
    """The model card, in a sandbox as every page that holds what others wrote."""
    from airflow_mlops.core.card.as_html import as_html

    text = as_html(card_of(_dossier(store, model, number)))
    data = text.encode("utf-8", "replace")
    return sandboxed(Stored(data, "text/html; charset=utf-8", f"{model}-{number}-card.html"), keep=keep)


@router.get("/models/{model}/versions/{number}/card.md")
def card_as_markdown(model: Model, number: Version, store: ReadStore) -> Response:
    """The model card as Markdown, as a file."""
    from airflow_mlops.core.card.as_markdown import as_markdown

    data = as_markdown(card_of(_dossier(store, model, number))).encode("utf-8", "replace")
    return sandboxed(Stored(data, "text/markdown; charset=utf-8", f"{model}-{number}-card.md"), keep=True)


def _dossier(store: Store, model: str, number: int) -> Dossier:
    """What is known of the version, through what this process has read of its model before."""
    records = ModelRecords(store, model)
    records.prepare()
    return gather(store, model, number, history=records)


def _wanted(dossier: Dossier) -> list[Wanted]:
    """What may be done about it: going back to it while another one serves, and building it again."""
    serves = dossier.place is not None and dossier.place.role == "champion"
    back = (
        []
        if serves
        else [Wanted("rollback", "Roll back to this version", (("To version", str(dossier.version)),))]
    )
    return [*back, Wanted("reproduce", "Reproduce", (("Version", str(dossier.version)),))]


def _part(request: Request, template: str, title: str, model: str, number: int, **values: Any) -> Response:
    """A part of the page, for who unfolds it; as a page of its own for who opens its address."""
    whole = "HX-Request" not in request.headers
    frame = "version/alone.html" if whole else template
    return page(request, frame, part=template, title=title, model=model, number=number, **values)
