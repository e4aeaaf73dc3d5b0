"""The functions that SageMaker's server calls: what they answer is what the local server answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_mlops.container import inference
from airflow_mlops.container.loaded import LoadedModel
from airflow_mlops.container.reply import Reply
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.serving.loading import RegistrySource
from airflow_mlops.core.store import Store
from tests.container.world import FEATURES, MODEL, RULE, Released, release, spec, unpacked
from tests.core.serving.fakes import client, deploy, described, running
from tests.waiting import wait_until


def ask(model: LoadedModel, body: bytes | str, kind: str = "application/json", accept: str = "") -> Reply:
    """As ``Transformer._default_transform_fn`` of sagemaker-containers 2.8 does it."""
    return inference.output_fn(inference.predict_fn(inference.input_fn(body, kind), model), accept)


def body_of(reply: Reply) -> Any:
    return json.loads(reply.get_data())


@pytest.fixture
def released(store: Store, version: DatasetVersion) -> Released:
    return release(store, version, spec("columns"))


@pytest.fixture
def model(released: Released, tmp_path: Path) -> LoadedModel:
    return inference.model_fn(str(unpacked(released.store, 1, tmp_path / "model")))


@pytest.fixture(params=sorted(FEATURES))
def both(
    request: pytest.FixtureRequest, store: Store, version: DatasetVersion, tmp_path: Path
) -> Iterator[tuple[Released, LoadedModel, httpx.Client]]:
    """A version in a container and at the local server."""
    released = release(store, version, spec(request.param))
    deploy(store, "promote", 1, model=MODEL)
    model = inference.model_fn(str(unpacked(store, 1, tmp_path / "model")))
    with (
        running(store, RegistrySource(store), spool=tmp_path / "spool") as url,
        client(url) as http,
    ):
        wait_until(lambda: described(url, MODEL).get("champion") == 1)
        yield released, model, http


def local(http: httpx.Client, body: bytes, kind: str, accept: str = "") -> httpx.Response:
    headers = {"Content-Type": kind, **({"Accept": accept} if accept else {})}
    return http.post(f"/endpoints/{MODEL}/invocations", content=body, headers=headers)


def bodies(rows: list[dict[str, Any]]) -> list[tuple[bytes, str]]:
    """Good and bad requests, in every form."""
    names = list(rows[0])
    wrong = [{**rows[0], "amount": "dear"}]
    columns = [
        ",".join(names),
        *(",".join("" if row[n] is None else str(row[n]) for n in names) for row in rows),
    ]
    return [
        (json.dumps({"instances": rows}).encode(), "application/json"),
        (json.dumps(rows[:1]).encode(), "application/json; charset=utf-8"),
        (
            json.dumps({"columns": names, "data": [list(row.values()) for row in rows]}).encode(),
            "application/json",
        ),
        ("\n".join(columns).encode(), "text/csv"),
        ("\n".join(columns[1:]).encode(), "text/csv; header=absent"),
        (json.dumps(wrong).encode(), "application/json"),
        (json.dumps([{**rows[0], "colour": "red"}]).encode(), "application/json"),
        (json.dumps([{}]).encode(), "application/json"),
        (json.dumps(rows * 3).encode(), "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b"\xff\xfe", "text/csv"),
        (b"x", "image/png"),
    ]


def test_the_same_answers_and_refusals_as_the_local_server(
    both: tuple[Released, LoadedModel, httpx.Client],
) -> None:
    released, model, http = both
    statuses = []
    for body, kind in bodies(released.rows()):
        theirs, ours = local(http, body, kind), ask(model, body, kind)
        statuses.append(ours.status_code)
        assert (ours.status_code, ours.content_type) == (
            theirs.status_code,
            theirs.headers["content-type"],
        ), body
        said = body_of(ours)
        about = said.pop("mlops", None)
        assert said == theirs.json()
        if ours.status_code == 200:
            assert (about["variant"], about["status"]) == ("v1", 200)
            assert about["latency_ms"] > 0
    assert statuses == [200] * 5 + [400] * 8 + [415]


@pytest.mark.parametrize(
    "accept", ["text/csv", "text/csv, application/json", "*/*", "image/png", "application/*"]
)
def test_the_same_forms_of_answers(both: tuple[Released, LoadedModel, httpx.Client], accept: str) -> None:
    released, model, http = both
    body = json.dumps(released.rows(3)).encode()
    theirs, ours = local(http, body, "application/json", accept), ask(model, body, accept=accept)
    assert (ours.status_code, ours.content_type) == (theirs.status_code, theirs.headers["content-type"])
    if ours.content_type == "text/csv":
        assert ours.get_data() == theirs.content
    else:
        assert {k: v for k, v in body_of(ours).items() if k != "mlops"} == theirs.json()


def test_text_that_the_toolkit_has_decoded(model: LoadedModel, released: Released) -> None:
    text = json.dumps(released.rows(2))
    assert body_of(ask(model, text))["predictions"] == body_of(ask(model, text.encode()))["predictions"]


@pytest.fixture
def failing(store: Store, version: DatasetVersion, tmp_path: Path) -> Iterator[Any]:
    """Makes a model whose function fails on what its signature lets pass."""

    def make(rule: dict[str, Any] | None, *, shadow: bool = False) -> LoadedModel:
        release(store, version, spec("columns", **({"fallback": rule} if rule else {})))
        loaded = LoadedModel.load(unpacked(store, 1, tmp_path / "model"), shadow=shadow)
        assert loaded.model is not None

        class Broken:
            check_rows = loaded.model.check_rows

            def predict(self, rows: Any) -> Any:
                raise ValueError("no memory\nleft")

        return LoadedModel(loaded.variant, Broken(), loaded.contract, shadow)

    return make


ROWS = b'[{"amount": 1, "country": "DE", "express": true}, {"amount": 1, "country": null, "express": true}]'


def test_a_model_that_fails_is_replaced_by_the_rule(failing: Any) -> None:
    reply = ask(failing(RULE), ROWS)
    said = body_of(reply)
    assert (reply.status_code, said["predictions"]) == (200, [0.7, 0.3])
    assert (said["mlops"]["variant"], said["mlops"]["status"]) == ("fallback", 500)
    assert said["mlops"]["error"] == "v1 failed: ValueError: no memory left"


def test_a_model_that_fails_without_a_rule_is_a_500(failing: Any) -> None:
    reply = ask(failing(None), ROWS)
    assert reply.status_code == 500
    assert body_of(reply) == {
        "message": "v1 failed: ValueError: no memory left; "
        "there is no fallback rule: set serving.fallback in the spec"
    }


@pytest.mark.parametrize("accept", ["", "text/csv", "image/png"])
def test_a_shadow_that_fails_is_captured(failing: Any, accept: str) -> None:
    """SageMaker captures answers of status 200 only; the rule would hide what the shadow is there to show."""
    reply = ask(failing(RULE, shadow=True), ROWS, accept=accept)
    said = body_of(reply)
    assert (reply.status_code, reply.content_type) == (200, "application/json")
    assert said["predictions"] is None
    assert (said["mlops"]["variant"], said["mlops"]["status"]) == ("v1", 500)
    assert said["mlops"]["error"] == "v1 failed: ValueError: no memory left"


def test_a_shadow_that_refuses_is_captured(released: Released, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLOPS_SHADOW", "1")
    model = inference.model_fn(str(unpacked(released.store, 1, tmp_path / "model")))
    reply = ask(model, b"[{}]")
    said = body_of(reply)
    assert (reply.status_code, said["predictions"], said["mlops"]["status"]) == (200, None, 400)
    assert said["mlops"]["error"].startswith("row 0 lacks amount, country, express")
    assert body_of(ask(model, json.dumps(released.rows(1))))["mlops"]["status"] == 200


def test_the_rule_alone(store: Store, version: DatasetVersion, tmp_path: Path) -> None:
    release(store, version, spec("columns", fallback=RULE))
    model = inference.model_fn(str(unpacked(store, None, tmp_path / "model")))
    said = body_of(ask(model, ROWS))
    assert said["predictions"] == [0.7, 0.3]
    assert (said["mlops"]["variant"], said["mlops"]["status"]) == ("fallback", 200)
    assert ask(model, b"1,DE,true\n", "text/csv", "text/csv").get_data() == b"0.7\n"
    assert not list((tmp_path / "model").glob("store/blobs/*"))


def test_an_unforeseen_error_is_a_500_without_a_trace(model: LoadedModel, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr("airflow_mlops.container.loaded.parse_rows", broken)
    reply = ask(model, b"[]")
    assert (reply.status_code, body_of(reply)) == (
        500,
        {"message": "the server failed on this request; its log says why"},
    )


def test_flask_takes_every_answer_as_it_is(model: LoadedModel, released: Released) -> None:
    """The container's server returns what output_fn returned as the result of a Flask view."""
    import flask

    app = flask.Flask("container")
    replies = {
        "good": ask(model, json.dumps(released.rows(1))),
        "bad": ask(model, b"[{}]"),
        "csv": ask(model, json.dumps(released.rows(1)), accept="text/csv"),
    }
    app.add_url_rule("/<name>", view_func=lambda name: replies[name])
    http = app.test_client()
    for name, reply in replies.items():
        got = http.get(f"/{name}")
        assert (got.status_code, got.data) == (reply.status_code, reply.get_data())
        assert got.headers["Content-Type"] == reply.content_type
        assert not isinstance(reply, tuple)
    assert http.get("/bad").status_code == 400


@pytest.mark.parametrize("damage", ["blob", "record"])
def test_a_damaged_archive_is_not_served(released: Released, tmp_path: Path, damage: str) -> None:
    folder = unpacked(released.store, 1, tmp_path / "model")
    if damage == "blob":
        (path,) = [path for path in folder.glob("store/blobs/*/*") if path.name == released.trained.artifact]
        path.write_bytes(path.read_bytes()[:-1])
    else:
        (folder / "version.json").write_text("{}")
    with pytest.raises(MlopsError, match=r"was changed|is not a PackedVersion"):
        inference.model_fn(str(folder))


def test_a_read_only_folder_is_enough(released: Released, tmp_path: Path, monkeypatch: Any) -> None:
    """SageMaker mounts the model read-only: nothing is made or removed there."""
    folder = unpacked(released.store, 1, tmp_path / "model")
    before = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.name != ".keep")
    inference.model_fn(str(folder))
    after = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.name != ".keep")
    assert after == before
