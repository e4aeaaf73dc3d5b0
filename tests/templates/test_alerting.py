"""``dag.test()`` on how the tasks that tell people hang in a DAG: they run whatever became of the others, and what
became of the run stays the others' doing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from airflow.models.dag_version import DagVersion
from airflow.sdk import DAG, BaseNotifier, BaseOperator, chain, setup, task
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.notifications.deadline import late_release
from airflow_mlops.operators.alerting import ReleaseAlertOperator, RollbackAlertOperator
from tests.core.registry import world
from tests.templates.test_runs import play, state

pytestmark = [pytest.mark.slow]


class Phone(BaseNotifier):
    """Keeps what it was to say."""

    template_fields = ("text",)
    said: ClassVar[list[str]] = []

    def __init__(self, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def notify(self, context: Any) -> None:
        self.said.append(self.text)


NOTIFIERS = [Phone("{{ dag.dag_id }} {{ mlops_alert.title }}")]


@pytest.fixture
def store(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    fields = f'{{"conn_type": "mlops", "extra": {{"store": "{tmp_path}"}}}}'
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", fields)
    Phone.said.clear()
    return open_store(str(tmp_path))


def entries(store: Store) -> list[AlertEntry]:
    return [entry for _, entry in alert_log(store, world.MODEL).entries()]


@task
def broken() -> None:
    """Fail."""
    raise RuntimeError("broken")


def release_like(begins: bool) -> DAG:
    """A setup, a stage that fails, a teardown that concludes, and the task that tells."""

    @setup
    def begin() -> None:
        if not begins:
            raise RuntimeError("no endpoint")

    @task
    def conclude() -> dict[str, Any]:
        return {"outcome": "refused", "version": 2, "champion": 1, "task": "stage", "reason": "it is worse"}

    deadline = late_release(world.spec(), NOTIFIERS)
    with DAG("alerting_release", schedule=None, deadline=deadline) as dag:
        first, last = begin(), conclude()
        alert = ReleaseAlertOperator(
            task_id="alert", spec=world.spec(), notifiers=NOTIFIERS, release=last, tasks=["begin", "stage"]
        )
        chain(first, broken.override(task_id="stage")(), last, alert)
        last.as_teardown(setups=first)
        alert.as_teardown()
    return dag


def test_a_blocked_release_is_told_and_the_run_stays_failed(store: Store) -> None:
    run = play(release_like(begins=True))
    assert str(run.state) == "failed"
    assert (state(run, "conclude"), state(run, "alert")) == ("success", "success")
    assert Phone.said == ["alerting_release WARNING: orders: version 2 was not promoted"]
    (entry,) = entries(store)
    assert entry.run == f"alerting_release/{run.run_id}"
    assert "/dags/alerting_release/runs/" in (entry.alert.link or "")
    assert "/tasks/" not in (entry.alert.link or "")


def test_a_release_that_could_not_begin_is_told(store: Store) -> None:
    run = play(release_like(begins=False))
    assert str(run.state) == "failed"
    assert state(run, "alert") == "success"
    assert Phone.said == [
        "alerting_release WARNING: orders: a release ended before it had registered a version"
    ]


@pytest.mark.parametrize("works", [True, False])
def test_a_rollback_is_told_whether_it_works_or_not(store: Store, works: bool) -> None:
    with DAG("alerting_rollback", schedule=None) as dag:
        back: Any

        @task(task_id="rollback")
        def rollback() -> dict[str, Any]:
            if not works:
                raise RuntimeError("no endpoint")
            return {"model": "orders", "champion": 1, "mode": "champion", "entry": 3}

        back = rollback()
        alert: BaseOperator = RollbackAlertOperator(
            task_id="alert", spec=world.spec(), notifiers=NOTIFIERS, rollback=back
        )
        chain(back, alert)
        alert.as_teardown()
    run = play(dag)
    assert str(run.state) == ("success" if works else "failed")
    assert state(run, "alert") == "success"
    said = "WARNING: orders: rolled back to version 1" if works else "CRITICAL: orders: the rollback failed"
    assert Phone.said == [f"alerting_rollback {said}"]


def test_an_alert_that_can_t_be_kept_does_not_change_the_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DAG("alerting_lost", schedule=None) as dag:

        @task(task_id="rollback")
        def rollback() -> dict[str, Any]:
            return {"model": "orders", "champion": 1, "mode": "champion", "entry": 3}

        back = rollback()
        alert = RollbackAlertOperator(task_id="alert", spec=world.spec(), rollback=back)
        chain(back, alert)
        alert.as_teardown()
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", '{"conn_type": "mlops", "extra": {"stroe": "x"}}')
    run = play(dag)
    assert (str(run.state), state(run, "alert")) == ("success", "failed")


def test_parsing_the_dag_again_makes_no_new_version_of_it(store: Store) -> None:
    def versions() -> list[DagVersion]:
        with create_session() as session:
            return list(session.scalars(select(DagVersion).where(DagVersion.dag_id == "alerting_release")))

    play(release_like(begins=True))
    before = versions()
    play(release_like(begins=True))
    assert [one.id for one in versions()] == [one.id for one in before]
