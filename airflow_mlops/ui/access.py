"""Who asks, and which models they may see: Airflow's own login, and its permissions on the DAGs of a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, status

#: Who may read this DAG of a model may see the model.
_SEEN_BY: Final = "release"


async def signed_in(user: Annotated[Any, Depends(get_user)]) -> Any:
    """The user of Airflow's session or token; a request without one is answered with 401."""
    return user


User = Annotated[Any, Depends(signed_in)]


def may_see(user: Any, model: str) -> bool:
    """Whether a user may read the release DAG of a model: then they may see the model."""
    return may_read(user, f"{model}.{_SEEN_BY}")


def may_run(user: Any, model: str, dag: str) -> bool:
    """Whether a user may trigger ``<model>.<dag>``: then the page shows the link to its form."""
    return bool(
        get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=_details(f"{model}.{dag}"), user=user
        )
    )


def may_read(user: Any, dag_id: str, entity: DagAccessEntity | None = None) -> bool:
    """Whether a user may read a DAG, or its runs."""
    return bool(
        get_auth_manager().is_authorized_dag(
            method="GET", access_entity=entity, details=_details(dag_id), user=user
        )
    )


def visible(user: Any, models: Iterable[str]) -> list[str]:
    """The models among these that a user may see, in their order.

    The auth manager is asked about all of them at once: it may ask a service or a database.
    """
    asked = {f"{model}.{_SEEN_BY}": model for model in models}
    teams: dict[str | None, set[str]] = defaultdict(set)
    for dag_id, team in _teams(asked).items():
        teams[team].add(dag_id)
    allowed: set[str] = set()
    for team, dag_ids in teams.items():
        allowed |= get_auth_manager().filter_authorized_dag_ids(dag_ids=dag_ids, user=user, team_name=team)
    return [model for dag_id, model in asked.items() if dag_id in allowed]


def require_model(model: str, user: User) -> str:
    """The model of a path, if the user may see it.

    One that they may not see is answered as one that does not exist: its name is nobody's business.

    :raises HTTPException: 404.
    """
    if not may_see(user, model):
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return model


def require_dag(user: Any, dag_id: str) -> None:
    """Refuse who may not read the runs of a DAG, as if there were none. :raises HTTPException: 404."""
    if not may_read(user, dag_id, DagAccessEntity.RUN):
        raise HTTPException(status.HTTP_404_NOT_FOUND)


def _details(dag_id: str) -> DagDetails:
    return DagDetails(id=dag_id, team_name=_teams([dag_id])[dag_id])


def _teams(dag_ids: Iterable[str]) -> dict[str, str | None]:
    """The team that each DAG belongs to, where Airflow has teams."""
    wanted = list(dag_ids)
    if not conf.getboolean("core", "multi_team", fallback=False):
        return dict.fromkeys(wanted)
    known = DagModel.get_dag_id_to_team_name_mapping(wanted)
    return {dag_id: known.get(dag_id) for dag_id in wanted}


#: The parameter ``model`` of a path, checked.
Model = Annotated[str, Depends(require_model)]
