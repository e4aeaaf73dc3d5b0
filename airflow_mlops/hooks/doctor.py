"""What only Airflow knows of a set-up: the connection, its AWS connections, its own parts and DAG files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_mlops.core.doctor.finding import Finding, of_error, ok, problem, warning
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.wording import counted, some
from airflow_mlops.hooks.mlops import MlopsHook
from airflow_mlops.hooks.reached import reached

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_mlops.platform import Platform

_TIMEOUT = 5.0
_SHOWN = 10
#: Most files of the DAGs folder that are read.
_FILES = 2000
#: What a part of Airflow does for us.
_PARTS = {
    "metadatabase": "keeps runs and connections",
    "scheduler": "starts tasks",
    "triggerer": "waits for rollouts and approvals",
    "dag_processor": "reads DAG files",
}


def look_at_connection(conn_id: str) -> tuple[Platform | None, Finding]:
    """The platform of a connection, and what to say of it; no platform where the connection is wrong."""
    hook = MlopsHook(conn_id)
    try:
        platform = hook.get_conn()
        known = _exists(hook)
    except AirflowNotFoundException:
        remedy = "name one with --conn-id; airflow connections list shows them"
        return None, problem("connection", f"there is no connection {conn_id}", "an mlops connection", remedy)
    except MlopsError as error:
        return None, of_error("connection", error)
    place = f"store {platform.store_uri}, data {platform.data_uri}, endpoint {platform.endpoint_url}"
    if not known:
        remedy = "right for a first try on one machine; else add it: airflow connections add"
        return platform, warning("connection", f"there is no connection {conn_id}: {place}", remedy=remedy)
    training = f", training {platform.trainer}"
    return platform, ok("connection", f"{conn_id}: {place}{training}")


def _exists(hook: MlopsHook) -> bool:
    try:
        hook.get_connection(hook.mlops_conn_id)
    except AirflowNotFoundException:
        return False
    return True


def check_aws(platform: Platform) -> Iterator[Finding]:
    """See whom the AWS connections are, and that they reach what they are for; nothing without one."""
    if platform.aws is None and not platform.own_aws:
        return
    for words in reached(platform):
        yield ok("aws", words)


def api_url() -> str:
    """Address of the API server: ``[api] base_url``, else this machine at ``[api] port``."""
    configured = conf.get("api", "base_url", fallback="")
    return str(configured or f"http://localhost:{conf.get('api', 'port', fallback='8080')}").rstrip("/")


def check_api(url: str) -> Iterator[Finding]:
    """Ask the API server how Airflow's parts are. :param url: its base URL."""
    import httpx

    try:
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=_TIMEOUT, follow_redirects=True)
        parts = {name: str(state["status"]) for name, state in answer.raise_for_status().json().items()}
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        remedy = "start Airflow, or correct [api] base_url: tasks and links use it"
        yield warning(
            "airflow", f"no API server answers at {url} ({type(error).__name__})", "Airflow", remedy
        )
        return
    except (ValueError, AttributeError, TypeError, KeyError):
        yield warning("airflow", f"{url} does not answer as Airflow does", remedy="correct [api] base_url")
        return
    ill = {name: state for name, state in parts.items() if state != "healthy"}
    for name, state in ill.items():
        found = f"{name} is {'not running' if state == 'None' else state}: it {_PARTS.get(name, 'is a part')}"
        yield problem("airflow", found, "healthy", f"start it: airflow {name.replace('_', '-')}")
    if not ill:
        yield ok("airflow", f"{url} answers; {', '.join(parts)} are healthy")


def check_dags() -> Iterator[Finding]:
    """Look into Airflow's database for DAG files that fail, and for our DAGs that are paused."""
    from airflow.utils.session import create_session
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_session() as session:
            yield from _failing(session)
            yield from _paused(session)
    except SQLAlchemyError as error:
        found = f"Airflow's database can't be asked about DAG files ({type(error).__name__})"
        remedy = "airflow db migrate; a worker of its own reaches no database, and needs none"
        yield warning("dags", found, remedy=remedy)


def _failing(session: Session) -> Iterator[Finding]:
    from airflow.models.errors import ParseImportError
    from sqlalchemy import select

    rows = session.execute(select(ParseImportError.filename, ParseImportError.stacktrace)).all()
    for file, trace in rows[:_SHOWN]:
        lines = (trace or "").strip().splitlines()
        yield problem("dags", f"{file} can't be imported: {lines[-1] if lines else 'no reason is known'}")
    if len(rows) > _SHOWN:
        yield problem("dags", f"{counted(len(rows) - _SHOWN, 'more DAG file')} can't be imported")
    if not rows:
        yield ok("dags", "no DAG file fails to import")


def _paused(session: Session) -> Iterator[Finding]:
    from airflow.models.dag import DagModel, DagTag
    from sqlalchemy import select

    ours = select(DagTag.dag_id).where(DagTag.name == "mlops")
    found = select(DagModel.dag_id).where(
        DagModel.is_paused.is_(True), DagModel.is_stale.is_(False), DagModel.dag_id.in_(ours)
    )
    names = sorted(session.scalars(found))
    if names:
        said = f"paused: {some(names, _SHOWN)}"
        yield warning("dags", said, remedy="their runs wait; unpause them: airflow dags unpause <dag id>")


def check_unseen() -> Iterator[Finding]:
    """Look for DAG files of ours that Airflow passes over: in its safe mode a file has to say ``dag`` somewhere."""
    folder = Path(conf.get("core", "dags_folder", fallback=""))
    if not conf.getboolean("core", "dag_discovery_safe_mode", fallback=True) or not folder.is_dir():
        return
    from airflow.utils.file import might_contain_dag

    for file in islice(folder.rglob("*.py"), _FILES):
        ours = b"airflow_mlops.templates" in file.read_bytes()
        if ours and not might_contain_dag(str(file), safe_mode=True):
            remedy = "write the word dag in a comment, or set [core] dag_discovery_safe_mode to False"
            yield problem("dags", f"Airflow passes over {file}: nothing in it says dag", remedy=remedy)
