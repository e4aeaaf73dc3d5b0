"""Stored pages: only those that a record of the model names, whole, and in a sandbox."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.monitoring.look import Look, RetrainDecision, monitoring_log
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.rollout.stage_verdicts import keep_verdict
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.store import Log
from airflow_mlops.core.store.blobs import blob_key, put_bytes
from airflow_mlops.core.store.results import keep
from tests.core.card.test_dossier import Forgetful
from tests.core.card.world import after, append, data, register, told, validation
from tests.core.evaluation import whole
from tests.core.registry.world import MODEL, trained
from tests.ui.conftest import HERE, Opened

PAGE = b"<!doctype html><title>report</title><script>alert(1)</script>"


@pytest.fixture
def store() -> Forgetful:
    return Forgetful()


def evaluated(store: Forgetful, page: bytes = PAGE) -> str:
    """A version whose evaluation has a page; the hash of the page."""
    digest = put_bytes(store, page)
    found = whole.evaluation().model_copy(update={"page": digest})
    data(store)
    register(store, 1, after(1), told().to_dict(), found)
    return digest


def looked(store: Forgetful, model: str = MODEL) -> dict[str, str]:
    """A look at a model; the hashes of its two pages, and the references of its two reports."""
    window = {"model": model, "champion": 1, "since": after(0), "until": after(1), "rows": 5}
    pages = {kind: put_bytes(store, f"<p>{kind} of {model}".encode()) for kind in ("drift", "performance")}
    drift = DriftReport(
        **window, dataset=None, outcome="stable", reason="ok", alpha=0.05, report_html=pages["drift"]
    )
    fields = {name: None for name, one in PerformanceReport.model_fields.items() if one.is_required()}
    performance = PerformanceReport.model_construct(
        **{**fields, **window, "as_of": after(1), "reason": "ok", "page": pages["performance"]}
    )
    refs = {"drift": keep(store, drift), "performance": keep(store, performance)}
    look = Look(
        run="m1", since=after(0), until=after(1), champion=1, **refs, outcome="stable", share=0.0, columns=(),
        metrics={}, judged_on=None, failed_gates=(), decision=RetrainDecision(retrain=False, said="no"), at=after(1),
    )  # fmt: skip
    append(monitoring_log(store, model), look)
    return {**pages, **{f"{kind} ref": ref for kind, ref in refs.items()}}


def url(kind: str, digest: str, model: str = MODEL, **query: Any) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{HERE}/models/{model}/blob/{kind}/{digest}{'?' + asked if asked else ''}"


def test_a_page_comes_whole_and_in_a_sandbox(store: Forgetful, opened: Opened) -> None:
    answer = opened(store).get(url("evaluation", evaluated(store)))
    assert (answer.status_code, answer.content) == (200, PAGE)
    policy = [one.strip() for one in answer.headers["Content-Security-Policy"].split(";")]
    assert policy[:4] == ["sandbox", "default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"]
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Content-Disposition" not in answer.headers


def test_a_page_can_be_kept_as_a_file(store: Forgetful, opened: Opened) -> None:
    answer = opened(store).get(url("evaluation", evaluated(store), keep=True))
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{MODEL}-evaluation-')
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")


@pytest.mark.parametrize("of", ["1", ""])
def test_only_what_a_record_names_is_served(store: Forgetful, opened: Opened, of: str) -> None:
    evaluated(store)
    record = Log(store, f"models/{MODEL}/versions", ModelVersion).read(1)
    hidden = [
        record.trained.artifact,
        record.trained.environment,
        record.trained.code.sha256 if record.trained.code else "",
        record.validation or "",
        put_bytes(store, b"<p>somebody's page that no record names"),
    ]
    client, query = opened(store), {"of": of} if of else {}
    for kind in ("evaluation", "data-docs", "drift", "performance", "picture"):
        found = {client.get(url(kind, one, **query)).status_code for one in hidden}
        assert found == {404}, kind


def test_a_page_of_another_model_is_not_served(store: Forgetful, opened: Opened) -> None:
    theirs = looked(store, "wages")
    client = opened(store, sees=[MODEL])
    for kind in ("drift", "performance"):
        for query in ({}, {"of": "1"}, {"of": theirs[f"{kind} ref"]}):
            assert client.get(url(kind, theirs[kind], **query)).status_code == 404, "by the name of our model"
            assert client.get(url(kind, theirs[kind], "wages", **query)).status_code == 404, "by its own"
    assert opened(store, sees=["wages"]).get(url("drift", theirs["drift"], "wages")).status_code == 200


def test_reports_of_the_monitor(store: Forgetful, opened: Opened) -> None:
    pages = looked(store)
    client = opened(store)
    for query in ({}, {"of": "1"}, {"of": pages["performance ref"]}):
        shown = client.get(url("performance", pages["performance"], **query))
        assert (shown.status_code, shown.text) == (200, f"<p>performance of {MODEL}")
    drift = client.get(url("drift", pages["drift"], of=pages["drift ref"]))
    assert drift.headers["Content-Disposition"].startswith("attachment"), "Evidently's page runs scripts"
    assert client.get(url("drift", pages["performance"])).status_code == 404, "a page has one kind"
    assert client.get(url("performance", pages["performance"], of="2")).status_code == 404


def test_data_docs_of_a_version_and_of_refused_data(store: Forgetful, opened: Opened) -> None:
    docs = put_bytes(store, b"<p>docs")
    result = validation().model_copy(update={"docs": docs})
    data(store)
    client = opened(store)
    refused = keep(store, result.model_copy(update={"success": False}))
    assert client.get(url("data-docs", docs)).status_code == 404, "no version names them"
    assert client.get(url("data-docs", docs, of=refused)).text == "<p>docs"
    theirs = result.tested.model_copy(update={"name": "wages"})
    other = keep(store, result.model_copy(update={"tested": theirs}))
    assert client.get(url("data-docs", docs, of=other)).status_code == 404, "those of another model's data"
    register(store, 1, after(1), told().to_dict(), whole.evaluation(), validation=keep(store, result))
    assert client.get(url("data-docs", docs, of="1")).text == "<p>docs"


def test_the_report_of_a_refused_model(store: Forgetful, opened: Opened) -> None:
    ours = trained(store)
    found = Evaluation(artifact=ours.artifact, rows=5, metrics={}, page=put_bytes(store, PAGE))
    digest, evaluation = str(found.page), keep(store, found)
    client = opened(store)
    assert client.get(url("evaluation", digest, of=keep(store, ours) + evaluation)).content == PAGE
    assert client.get(url("evaluation", digest, of=evaluation)).status_code == 404, "of whom, nobody says"
    for other in (trained(store, model="wages"), trained(store, "another model")):
        assert client.get(url("evaluation", digest, of=keep(store, other) + evaluation)).status_code == 404


def test_a_picture_of_a_verdict(store: Forgetful, opened: Opened) -> None:
    def kept(model: str, picture: bytes, place: str = "") -> str:
        digest = hashlib.sha256(picture).hexdigest()[:12]
        key = f"models/{place or model}/pictures/v1-shadow-{digest}.svg"
        store.create(key, picture)
        verdict = Verdict(
            stage="shadow", decision="PROMOTE", reason="good", gates=(), counts={}, alpha=0.05, version=1, run="r",
            deployment=2 if place else 1, picture=key,
        )  # fmt: skip
        keep_verdict(store, model, verdict, after(1))
        return digest

    digest, theirs = kept(MODEL, b"<svg/>"), kept("wages", b"<svg>2</svg>")
    elsewhere = kept(MODEL, b"<svg>3</svg>", place="wages")
    client = opened(store)
    answer = client.get(url("picture", digest))
    assert (answer.content, answer.headers["Content-Type"]) == (b"<svg/>", "image/svg+xml")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert client.get(url("picture", theirs)).status_code == 404
    assert client.get(url("picture", elsewhere)).status_code == 404, "a picture lies beside its model's logs"
    store.spoil(f"models/{MODEL}/pictures/v1-shadow-{digest}.svg", b"<svg>forged</svg>")
    forged = client.get(url("picture", digest))
    assert forged.status_code == 503
    assert "was changed" in forged.text


def test_what_is_damaged_or_gone_is_said_in_a_line(store: Forgetful, opened: Opened) -> None:
    digest = evaluated(store)
    client = opened(store)
    store.spoil(blob_key(digest), b"<p>forged")
    changed = client.get(url("evaluation", digest))
    assert changed.status_code == 503
    assert "was changed" in changed.text
    assert "forged" not in changed.text
    store.forget(blob_key(digest))
    gone = client.get(url("evaluation", digest))
    assert (gone.status_code, "not in the store any more" in gone.text) == (404, True)


@pytest.mark.parametrize("number", [1, 2])
def test_a_damaged_record_hides_no_other(store: Forgetful, opened: Opened, number: int) -> None:
    digest = evaluated(store)
    register(store, 2, after(2), told().to_dict(), whole.evaluation().model_copy(update={"page": digest}))
    store.spoil(f"models/{MODEL}/versions/{number:010d}.json", b"{")
    assert opened(store).get(url("evaluation", digest)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        url("evaluation", "0" * 63),
        url("evaluation", "Z" * 64),
        url("model", "0" * 64),
        url("evaluation", "0" * 64, of="0/../1"),
        url("evaluation", "0" * 64, of="9" * 40),
        url("picture", "0" * 12),
        url("evaluation", "0" * 64, model="%2E%2E"),
        url("picture", "0" * 12, model="a%0Ab"),
    ],
)
def test_addresses_that_name_nothing(store: Forgetful, opened: Opened, path: str) -> None:
    evaluated(store)
    client = opened(store, sees=[MODEL, "..", "a\nb"])
    assert client.get(path).status_code == 404
