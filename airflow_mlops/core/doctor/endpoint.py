"""The endpoint: does it answer us, and does it serve what the deployment log asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from airflow_mlops.core.audit.verifying import models_of
from airflow_mlops.core.doctor.finding import Finding, of_error, ok, problem, warning
from airflow_mlops.core.errors import EndpointError, MlopsError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.wording import in_words
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.store import Store

_TIMEOUT = 5.0
_SHOWN = 8
#: A server follows the log within a second or two; what differs for longer differs.
_PATIENCE = 6.0
_POLL = 0.25


def check_server(base_url: str, token: str | None, store: str) -> Iterator[Finding]:
    """Ask an endpoint server who it serves, with the token; the token itself is never told.

    :param store: URI of the store, for the command that starts one.
    """
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(base_url=base_url, timeout=_TIMEOUT, trust_env=False) as server:
            answer = server.get("/endpoints", headers=headers)
            public = answer.is_success and token is not None and server.get("/endpoints").is_success
    except httpx.HTTPError as error:
        start = f"start it with: airflow-mlops serve --store {store}"
        yield problem(
            "endpoint",
            f"no server answers at {base_url} ({type(error).__name__})",
            "an endpoint server",
            start,
        )
        return
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        given = "a wrong token was given" if token else "no token was given"
        remedy = "set the server's token as password of the mlops connection"
        yield problem("endpoint", f"the server at {base_url} refuses us: {given}", "its token", remedy)
        return
    try:
        names = [str(name) for name in answer.json()["endpoints"]]
    except (ValueError, KeyError, TypeError):
        found = f"{base_url} answers {answer.status_code}, not as an endpoint server does"
        yield problem("endpoint", found, remedy="correct field endpoint of the mlops connection")
        return
    secured = "the token is right" if token else "no token is asked for"
    yield ok("endpoint", f"{base_url} answers, {secured}, it serves {_listed(names)}")
    if public:
        yield warning(
            "endpoint",
            "the mlops connection has a token, and the server answers without one",
            remedy="start it with --token-file if others can reach it",
        )


def check_deployments(store: Store, endpoint: Callable[[str], Endpoint], limit: float) -> Iterator[Finding]:
    """Hold what serves against the deployment log, of each model that was ever deployed.

    :param endpoint: of a model.
    :param limit: seconds; models that are not reached within them are counted.
    """
    deadline = time.monotonic() + limit
    deployed = [name for name in models_of(store) if DeploymentLog(store, name).log.last_number()]
    agreeing = []
    for count, name in enumerate(deployed):
        if time.monotonic() > deadline:
            left = f"{len(deployed) - count} of {len(deployed)} models were not looked at: it took too long"
            yield warning("deployments", left)
            break
        try:
            difference = _difference(store, endpoint(name), name)
        except EndpointError as error:
            # Nobody answers: that holds for all models, and is told once.
            yield of_error("deployments", error)
            return
        except MlopsError as error:
            yield of_error("deployments", error)
            continue
        if difference is None:
            agreeing.append(name)
        else:
            yield difference
    if agreeing:
        yield ok("deployments", f"the endpoint serves what the deployment log asks for {_listed(agreeing)}")
    elif not deployed:
        yield ok("deployments", "no model was deployed yet")


def _difference(store: Store, endpoint: Endpoint, model: str) -> Finding | None:
    log = DeploymentLog(store, model)
    until = time.monotonic() + _PATIENCE
    while (served := endpoint.describe()) != (desired := log.desired(utc_now())):
        if time.monotonic() > until:
            return problem(
                "deployments",
                f"{model}: the endpoint serves {in_words(served)}",
                in_words(desired),
                f"run {model}.monitor: its task heal brings the endpoint back, or says why it can't",
            )
        time.sleep(_POLL)
    return None


def _listed(names: list[str]) -> str:
    return some(names, _SHOWN) if names else "no model yet"
