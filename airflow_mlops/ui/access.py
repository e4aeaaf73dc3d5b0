"""Who asks, and which models they may see: Airflow's own login, and its permissions on the DAGs of a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, HTTPException, status


async def signed_in(user: Annotated[Any, Depends(get_user)]) -> Any:
    """The user of Airflow's session or token; a request without one is answered with 401."""
    return user


User = Annotated[Any, Depends(signed_in)]


def may_see(user: Any, model: str) -> bool:
    """Whether a user may read the release DAG of a model: then they may see the model."""
    return bool(
        get_auth_manager().is_authorized_dag(
            method="GET", details=DagDetails(id=f"{model}.release"), user=user
        )
    )


def may_run(user: Any, model: str, dag: str) -> bool:
    """Whether a user may trigger ``<model>.<dag>``: then the page shows the link to its form."""
    return bool(
        get_auth_manager().is_authorized_dag(
            method="POST",
            access_entity=DagAccessEntity.RUN,
            details=DagDetails(id=f"{model}.{dag}"),
            user=user,
        )
    )


def visible(user: Any, models: Iterable[str]) -> list[str]:
    """The models among these that a user may see, in their order."""
    return [model for model in models if may_see(user, model)]


async def require_model(model: str, user: User) -> str:
    """The model of a path, if the user may see it.

    One that they may not see is answered as one that does not exist: its name is nobody's business.
    """
    if not may_see(user, model):
        raise HTTPException(status.HTTP_404_NOT_FOUND, detail="no such model")
    return model


#: The parameter ``model`` of a path, checked.
Model = Annotated[str, Depends(require_model)]
