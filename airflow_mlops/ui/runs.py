"""The tab "Model" on Airflow's pages of a DAG and of a run, and the way from a task's button into Airflow's frame."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import RedirectResponse

from airflow_mlops.core.overview.of_run import deeds_of
from airflow_mlops.links.addresses import OPEN, PAGE
from airflow_mlops.spec import NAME_PATTERN
from airflow_mlops.ui.access import User, may_see, require_dag
from airflow_mlops.ui.links import Links
from airflow_mlops.ui.rendering import page
from airflow_mlops.ui.source import ReadStore

router = APIRouter()

#: What the templates call their DAGs: ``<model>.<purpose>``.
PURPOSES: Final = ("release", "monitor", "rollout", "rollback", "reproduce", "score", "erase")
_NAME = re.compile(NAME_PATTERN)
Id = Annotated[str, Path(max_length=250)]


@router.get("/dags/{dag_id}")
def of_dag(request: Request, dag_id: Id, user: User) -> Response:
    """The page of the model that a DAG is about; a line for a DAG that is none of ours."""
    require_dag(user, dag_id)
    model = model_of(dag_id)
    if model is None or not may_see(user, model):
        return page(request, "run.html", dag_id=dag_id, model=None, done=None, run_id=None)
    return RedirectResponse(Links.of(request).model(model), status_code=307)


@router.get("/dags/{dag_id}/runs/{run_id:path}")
def of_run(request: Request, dag_id: Id, run_id: Id, user: User, store: ReadStore) -> Response:
    """What a run did to its model, with the way to the version that it registered."""
    require_dag(user, dag_id)
    model = model_of(dag_id)
    if model is None or not may_see(user, model):
        return page(request, "run.html", dag_id=dag_id, model=None, done=None, run_id=run_id)
    done = deeds_of(store, model, f"{dag_id}/{run_id}")
    return page(request, "run.html", dag_id=dag_id, model=model, done=done, run_id=run_id)


@router.get(f"/{OPEN}/{{path:path}}")
def in_frame(request: Request, path: str, of: str | None = None) -> Response:
    """One of our pages within Airflow's navigation; the browser keeps the part that comes after a #.

    :raises HTTPException: 404, for a path that is none of our pages.
    """
    asked = f"{path}?of={of}" if of else path
    if not PAGE.fullmatch(asked):
        raise HTTPException(404, detail="no such page")
    links = Links.of(request)
    return RedirectResponse(links.framed(f"{links.here}/{asked}"), status_code=307)


def model_of(dag_id: str) -> str | None:
    """The model that a template's DAG is about, by its id; None for other DAGs."""
    model, _, purpose = dag_id.rpartition(".")
    return model if purpose in PURPOSES and _NAME.fullmatch(model) else None
