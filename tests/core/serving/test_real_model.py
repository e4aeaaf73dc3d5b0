"""The server with the registry's own models: what it answers is what the predictor says, for both kinds of model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.loading import RegistrySource
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.predictor import Predictor
from tests.core.serving.fakes import MODEL, client, described, running
from tests.core.serving.real_models import CODE, register
from tests.waiting import wait_until

ROWS = [
    {"x": 0.5, "carrier": "UA"},
    {"x": -1, "carrier": "DL"},
    {"x": None, "carrier": "new"},
    {"x": 2.5, "carrier": None},
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FolderStore, str, list[TrainedModel]]]:
    """A server with a plain champion (version 1) and a challenger with a feature function (version 2) in shadow."""
    folder: Path = tmp_path_factory.mktemp("real")
    store = FolderStore(folder / "store")
    trained = [register(store, 1), register(store, 2, code=CODE)]
    log = DeploymentLog(store, MODEL)
    log.promote(1, who="test", why="first", run="r1")
    log.challenge(2, weight=0.0, lease=timedelta(hours=1), who="test", why="second", run="r2")
    with running(store, RegistrySource(store), spool=folder / "spool") as url:
        yield store, url, trained


def test_server_answers_as_the_predictor_does(served: tuple[FolderStore, str, list[TrainedModel]]) -> None:
    store, url, trained = served
    endpoint = LocalEndpoint(url, MODEL, store)
    assert endpoint.describe() == DeploymentLog(store, MODEL).desired()
    start = utc_now()
    one, two = (tuple(Predictor.load(store, model).predict(ROWS)) for model in trained)
    assert one != two
    assert endpoint.invoke(ROWS, inference_id="batch").predictions == one
    singly = [endpoint.invoke([row]).predictions[0] for row in ROWS]
    assert tuple(singly) == one
    wait_until(lambda: len(list(read_captures(store, MODEL, start))) == 10)
    for record in read_captures(store, MODEL, start):
        if record.inference_id == "batch":
            assert record.rows == tuple(ROWS)
            assert record.predictions == (one if record.role == "champion" else two)


@pytest.mark.parametrize(
    "body, says",
    [
        ([{"x": 1}], "lacks carrier"),
        ([{"x": 1, "carrier": "UA", "dep_delay": 5}], "dep_delay"),
        ([{"x": "1", "carrier": "UA"}], "x"),
        ([{"x": True, "carrier": "UA"}], "x"),
        ([ROWS[0]] * 51, "at most 50"),
    ],
)
def test_bad_rows_are_the_callers(
    served: tuple[FolderStore, str, list[TrainedModel]], body: list[object], says: str
) -> None:
    with client(served[1]) as http:
        response = http.post(f"/endpoints/{MODEL}/invocations", json=body)
    assert response.status_code == 400
    assert says in response.json()["message"]


def test_columns_that_the_model_ignores_may_come_along(
    served: tuple[FolderStore, str, list[TrainedModel]],
) -> None:
    store, url, _ = served
    row = {**ROWS[0], "flight": 1545}
    endpoint = LocalEndpoint(url, MODEL, store)
    assert endpoint.invoke([row]).predictions == endpoint.invoke([ROWS[0]]).predictions


def test_changed_artifact_is_not_served(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    trained = register(store, 1)
    blob = tmp_path / "store" / "blobs" / trained.artifact[:2] / trained.artifact
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    DeploymentLog(store, MODEL).promote(1, who="test", why="first", run="r1")
    with running(store, RegistrySource(store), spool=tmp_path / "spool") as url:
        shown = described(url)
        assert shown["mode"] == "fallback"
        assert "was changed" in shown["error"]
        answer = LocalEndpoint(url, MODEL, store).invoke(ROWS)
        assert (answer.variant, answer.predictions) == ("fallback", (0.2,) * 4)
