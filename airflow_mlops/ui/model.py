"""The page of one model, its parts that refresh themselves, and two of its versions side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from airflow_mlops.core.overview import overview_of
from airflow_mlops.core.overview.model_records import ModelRecords, is_recorded
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store import Store
from airflow_mlops.ui.access import Model, User
from airflow_mlops.ui.actions import permitted
from airflow_mlops.ui.links import Links
from airflow_mlops.ui.model_parts.comparison import compare_versions
from airflow_mlops.ui.model_parts.live import last_challenger, live_rollout
from airflow_mlops.ui.model_parts.page import contact_of, gaps_of, model_view, wanted_actions
from airflow_mlops.ui.model_parts.versions import version_page
from airflow_mlops.ui.rendering import page
from airflow_mlops.ui.source import ReadStore

router = APIRouter()
#: A number of a version in an address; one that does not exist is told in words.
Number = Annotated[int, Query(ge=1, le=9_999_999_999)]


@router.get("/models/{model}")
def model_page(
    request: Request, model: Model, user: User, store: ReadStore, below: Number | None = None
) -> HTMLResponse:
    """The page of a model. :param below: versions with a smaller number are listed."""
    _require_known(store, model)
    now = utc_now()
    view = model_view(store, model, now, below)
    actions = permitted(user, model, Links.of(request), wanted_actions(view.overview))
    return page(request, "model/page.html", model=model, view=view, actions=actions)


@router.get("/models/{model}/live")
def live_part(request: Request, model: Model, user: User, store: ReadStore) -> HTMLResponse:
    """How the model stands, the rollout in progress, and what somebody may do: asked for again and again."""
    now = utc_now()
    records = ModelRecords(store, model)
    live = live_rollout(records, now)
    overview = overview_of(store, model, now=now)
    actions = permitted(user, model, Links.of(request), wanted_actions(overview))
    return page(
        request,
        "model/live.html",
        model=model,
        overview=overview,
        contact=contact_of(overview),
        live=live,
        last=last_challenger(records),
        actions=actions,
        gaps=gaps_of(overview, records.gaps),
    )


@router.get("/models/{model}/versions")
def versions_part(
    request: Request, model: Model, store: ReadStore, below: Number | None = None
) -> HTMLResponse:
    """A page of the table of versions."""
    records = ModelRecords(store, model)
    overview = overview_of(store, model, now=utc_now())
    challenger = overview.rollout.challenger if overview.rollout else None
    found = version_page(records, overview.champion, challenger, below)
    return page(request, "model/versions.html", model=model, versions=found)


@router.get("/models/{model}/compare")
def compare_page(request: Request, model: Model, store: ReadStore, a: Number, b: Number) -> HTMLResponse:
    """Two versions side by side. :raises HTTPException: 404, if there is no such version."""
    records = ModelRecords(store, model)
    one, other = records.record(a), records.record(b)
    if one is None or other is None:
        lost = a if one is None else b
        raise HTTPException(404, detail=f"version {lost} of {model} does not exist or can't be read")
    found = compare_versions(a, one, b, other)
    return page(request, "model/compare.html", model=model, found=found)


def _require_known(store: Store, model: str) -> None:
    """A model without any record is as unknown as one that nobody may see. :raises HTTPException: 404."""
    if not is_recorded(store, model):
        raise HTTPException(404, detail="no such model")
