"""The page of one version: what is on it, what hostile and huge records do to it, and who sees what."""

from __future__ import annotations

import re

import pytest

from airflow_mlops.core.data.version import DatasetVersion, dataset_key
from airflow_mlops.core.evaluation.report import SliceMetrics
from airflow_mlops.core.monitoring.alerts.alert import Alert
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log
from airflow_mlops.core.registry.approvals import Answer, ApprovalRecord, approval_log
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.core.validation.result import ExpectationResult
from tests.core.card.test_dossier import Forgetful
from tests.core.card.world import DATASET, after, append, data, live, register, told, validation
from tests.core.evaluation import whole
from tests.core.registry.world import MODEL
from tests.ui.conftest import BELOW, HERE, Opened

EVIL = '<script>alert("1")</script><img src=x onerror=alert(1)>'


def at(number: int | str = 2, part: str = "", model: str = MODEL) -> str:
    return f"{HERE}/models/{model}/versions/{number}{part}"


@pytest.fixture
def store() -> Forgetful:
    return Forgetful()


@pytest.fixture
def lived(store: Forgetful) -> Forgetful:
    live(store)
    return store


def words(html: str) -> str:
    """What stands on a page, without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def headings(html: str) -> list[str]:
    return [words(one) for one in re.findall(r"<h2[^>]*>(.*?)</h2>", html, re.DOTALL)]


def test_every_section_stands_on_the_page(lived: Store, opened: Opened) -> None:
    html = opened(lived).get(at()).text
    assert headings(html) == [
        "In short", "Story", "Data", "Data tests", "Evaluation", "Approvals", "In the traffic", "Reproductions",
        "How it was made", "Lineage", "Model card", "Audit",
    ]  # fmt: skip
    anchors = set(re.findall(r'href="#([^"]+)"', html))
    assert anchors <= set(re.findall(r'id="([^"]+)"', html)), "every link within the page leads somewhere"


def test_what_people_ask_first(lived: Store, opened: Opened) -> None:
    text = words(opened(lived).get(at()).text)
    for told_ in (
        "Rolled back to version 1 on 2024-03-03 04:00 UTC by carol: customers complain",
        "Data 100 rows",
        "Data tests ✓ good: Passed",
        "2 of 2 gates passed",
        "Approval ✓ good: Approved bob said yes",
        "Last look ✕ bad: Drift, a gate failed",
        "Reproduced ✓ good: Identical",
        "# Release of version 2 auc 0.71 against 0.70",
        "It learned from the same data: nothing changed.",
    ):
        assert told_ in text, told_


def test_the_story_is_in_the_order_of_time(lived: Store, opened: Opened) -> None:
    html = opened(lived).get(at()).text
    kinds = list(dict.fromkeys(re.findall(r'<strong class="kind">(\w+)</strong>', html)))
    assert kinds == [
        "data", "policy", "release", "tests", "training", "evaluation", "registration", "approval", "traffic",
        "verdict", "look", "alert", "retraining", "rollback", "reproduction", "erasure",
    ]  # fmt: skip
    times = re.findall(r'<div class="at"><time datetime="([^"]+)"', html)
    assert times == sorted(times)


def test_versions_beside_it_and_what_may_be_done(lived: Store, opened: Opened) -> None:
    rolled_back = opened(lived, role="admin").get(at(2)).text
    assert f'href="{HERE}/models/{MODEL}/versions/1" rel="prev"' in rolled_back
    assert 'rel="next"' not in rolled_back
    assert "Roll back to this version" in rolled_back
    assert re.search(r"choose\s+To version\s+<strong>2</strong>", rolled_back)
    assert f"{BELOW}/dags/{MODEL}.reproduce" in rolled_back
    champion = opened(lived, role="admin").get(at(1)).text
    assert f'href="{HERE}/models/{MODEL}/versions/2" rel="next"' in champion
    assert "Roll back to this version" not in champion, "it serves already"
    viewer = opened(lived).get(at(2)).text
    assert "Roll back to this version" not in viewer
    assert 'class="button"' not in viewer


def test_data_beside_those_of_the_version_before(store: Forgetful, opened: Opened) -> None:
    data(store)
    key = dataset_key(DATASET.name, DATASET.id)
    old = DatasetVersion.from_bytes(store.read(key))
    column = old.columns[0]
    new = old.model_copy(
        update={
            "id": "d2",
            "rows": 130,
            "files": (
                *old.files,
                old.files[0].model_copy(update={"sha256": "b" * 64, "source": "orders/2.parquet"}),
            ),
            "columns": (
                column.model_copy(update={"mean": 6.5, "nulls": 26}),
                column.model_copy(update={"name": "town", "type": "string"}),
            ),
        }
    )
    store.create(dataset_key("orders", "d2"), new.to_bytes())
    register(store, 1, after(1), told().to_dict(), whole.evaluation())
    register(store, 2, after(2), told().to_dict(), whole.evaluation(), dataset=new.ref)
    html = opened(store).get(at(2)).text
    text = words(html)
    assert "beside version 1: 30 more rows, 1 file new and 0 gone, 1 column changed" in text
    assert "100 → 130 (+30)" in text
    assert "1 the same, 1 new, 0 gone" in text
    assert "town is new" in text
    assert "amount 1.0% → 20.0% 4.5 → 6.5 25.0%" in text, "from 4.5 to 6.5 of a range from 1 to 9"
    assert f"airflow-mlops data diff {MODEL} d1 d2 --store STORE" in text
    assert "first version" in words(opened(store).get(at(1)).text)


def test_reports_stand_in_frames_that_may_do_nothing(lived: Store, opened: Opened) -> None:
    page = put_bytes(lived, b"<p>a report")
    docs = keep(lived, validation().model_copy(update={"docs": put_bytes(lived, b"<p>docs")}))
    found = whole.evaluation().model_copy(update={"page": page})
    register(lived, 3, after(100), told().to_dict(), found, validation=docs)
    client = opened(lived)
    html = client.get(at(3)).text
    frames = re.findall(r"<iframe[^>]*>", html)
    assert len(frames) == 3
    assert all(re.search(r" sandbox[ >]", one) for one in frames)
    for source in re.findall(r'<iframe[^>]* src="([^"]+)"', html):
        answer = client.get(source)
        assert answer.status_code == 200, source
        assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", html), "the policy forbids them"


def test_the_card_is_shown_and_handed_out(lived: Store, opened: Opened) -> None:
    client = opened(lived)
    shown = client.get(at(2, "/card.html"))
    assert "<h1>Model card: orders version 2</h1>" in shown.text
    assert shown.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "Content-Disposition" not in shown.headers
    kept = client.get(at(2, "/card.html?keep=true"))
    assert kept.headers["Content-Disposition"] == 'attachment; filename="orders-2-card.html"'
    markdown = client.get(at(2, "/card.md"))
    assert markdown.text.startswith("# Model card: orders version 2")
    assert markdown.headers["Content-Disposition"] == 'attachment; filename="orders-2-card.md"'


def test_lineage_both_ways_names_only_models_that_one_may_see(lived: Store, opened: Opened) -> None:
    record = Log(lived, f"models/{MODEL}/versions", ModelVersion).read(1)
    append(Log(lived, "models/wages/versions", ModelVersion), record.model_copy(update={"model": "wages"}))
    for sees, known in (([MODEL], False), ([MODEL, "wages"], True)):
        client = opened(lived, sees=sees)
        whole_page = client.get(at(2, "/lineage")).text
        assert "<svg" in whole_page
        assert "orders/1.parquet" in words(whole_page)
        assert f'href="{HERE}/models/{MODEL}/versions/1"' in whole_page
        assert (f'href="{HERE}/models/wages/versions/1"' in whole_page) is known
        assert ("wages" in whole_page) is known
        part = client.get(at(2, "/lineage"), headers={"HX-Request": "true"}).text
        assert "<html" not in part
        assert "<svg" in part


def test_the_audit_of_its_records(lived: Forgetful, opened: Opened) -> None:
    def told_of(number: int) -> str:
        return words(opened(lived).get(at(number, "/audit")).text)

    assert "airflow-mlops audit verify orders" in told_of(2)
    lived.spoil(dataset_key(DATASET.name, DATASET.id), b"{")
    assert "record of its data ✕ bad: Not readable" in told_of(2)


def test_hostile_text_is_text(store: Forgetful, opened: Opened) -> None:
    data(store, name=f"orders/{EVIL}.parquet")
    fields = {**told().to_dict(), "description": EVIL, "owner": EVIL}
    found = whole.evaluation()
    gate = found.gates[0].model_copy(update={"reason": EVIL})
    held = ExpectationResult(type=EVIL, column=EVIL, severity="fail", success=False, reason=EVIL)
    hostile = found.model_copy(
        update={"gates": (gate,), "slices": (SliceMetrics(slice=EVIL, rows=5, metrics={"auc": 0.5}),)}
    )
    result = keep(store, validation().model_copy(update={"expectations": (held,), "reason": EVIL}))
    run = register(store, 1, after(1), fields, hostile, validation=result, created_by=EVIL)
    yes = Answer(user=EVIL, choice="approve", at=after(2), comment=EVIL)
    record = ApprovalRecord(
        run=run, version=1, outcome="approved", reason=EVIL, evidence=put_bytes(store, EVIL.encode()), answers=(yes,),
        at=after(2),
    )  # fmt: skip
    append(approval_log(store, MODEL), record)
    client = opened(store)
    for path in (at(1), at(1, "/lineage"), at(1, "/audit"), at(1, "/card.html")):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text, path
        assert "<script>" not in answer.text, path
    assert "&lt;img src=x" in client.get(at(1)).text


def test_huge_records_are_cut_with_a_count(store: Forgetful, opened: Opened) -> None:
    data(store)
    many = tuple(
        ExpectationResult(type=f"e{one}", column="amount", severity="warn", success=False, reason="no " * 400)
        for one in range(10_000)
    )
    slices = tuple(SliceMetrics(slice=f"s{one}", rows=60, metrics={"auc": 0.5}) for one in range(5_000))
    result = keep(store, validation().model_copy(update={"expectations": many}))
    found = whole.evaluation().model_copy(update={"slices": slices})
    register(store, 1, after(1), told().to_dict(), found, validation=result)
    alert = Alert(
        model=MODEL, kind="drift", severity="warning", title="version 1 drifts", how_bad="much", next_step="look",
        at=after(2),
    )  # fmt: skip
    entries = (
        AlertEntry(alert=alert, run=f"m{one}", delivered=True, at=after(2 + one)) for one in range(400)
    )
    append(alert_log(store, MODEL), *entries)
    html = opened(store).get(at(1)).text
    assert len(html) < 1_000_000
    text = words(html)
    assert "(the first 50 of 10,000)" in text
    assert "(the first 50 of 5,000)" in text
    assert re.search(r"\d\d\d steps between", text)
    assert re.search(r"\d+ more are left out here", text)


@pytest.mark.parametrize("lost", ["data", "validation", "evidence", "look"])
def test_what_is_gone_is_said_and_the_rest_is_told(lived: Forgetful, opened: Opened, lost: str) -> None:
    record = Log(lived, f"models/{MODEL}/versions", ModelVersion).read(2)
    approval = approval_log(lived, MODEL).read(1)
    keys = {
        "data": dataset_key(DATASET.name, DATASET.id),
        "validation": f"blobs/{str(record.validation)[:2]}/{record.validation}",
        "evidence": f"blobs/{str(approval.evidence)[:2]}/{approval.evidence}",
        "look": f"models/{MODEL}/monitoring/{1:010d}.json",
    }
    lived.spoil(keys[lost], b"{")
    answer = opened(lived).get(at())
    assert answer.status_code == 200
    assert "What could not be read" in headings(answer.text)
    assert "Evaluation" in headings(answer.text)


def test_a_version_that_is_not_there(lived: Store, opened: Opened) -> None:
    client = opened(lived)
    for number in ("3", "0", "-1", "x", "01", "9" * 30, "1e3"):
        for part in ("", "/card.html", "/lineage"):
            answer = client.get(at(number, part))
            assert answer.status_code == 404
            (said,) = re.findall(r'<p class="problem" role="alert"[^>]*>([^<]*)</p>', answer.text)
            expected = "orders has no version 3; expected 1 to 2" if number == "3" else "no such version"
            assert said == expected


@pytest.mark.parametrize("sees, model", [(["wages"], MODEL), (["wages"], "wages")])
def test_a_model_that_one_may_not_see_or_that_is_not_there(
    lived: Store, opened: Opened, sees: list[str], model: str
) -> None:
    client = opened(lived, sees=sees)
    for part in ("", "/card.html", "/card.md", "/lineage", "/audit"):
        assert client.get(at(2, part, model=model)).status_code == 404


def test_its_own_record_is_damaged(lived: Forgetful, opened: Opened) -> None:
    lived.spoil(f"models/{MODEL}/versions/{2:010d}.json", b"{")
    answer = opened(lived).get(at())
    assert answer.status_code == 503
    assert answer.text.count('role="alert"') == 1
