"""The page of one model: what it says, who may act, and what it does with broken records."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.releases import ReleaseEvent, note_release
from airflow_mlops.core.rollout.progress import progress_log
from airflow_mlops.core.store import Store
from airflow_mlops.ui.source import the_store
from tests.core.card.world import after, append, live, register, told
from tests.core.evaluation import whole
from tests.core.registry.world import MODEL, MemoryStore
from tests.ui.conftest import SignIn
from tests.ui.world import PAGE, audited, look, roll_out


@pytest.fixture
def store(pages: FastAPI) -> MemoryStore:
    """What the pages read."""
    made = MemoryStore()
    pages.dependency_overrides[the_store] = lambda: made
    return made


@pytest.fixture
def lived(store: Store) -> Store:
    """A store in which two versions have lived: version 1 serves again."""
    live(store)
    return store


@pytest.fixture
def client(lived: Store, sign_in: SignIn) -> TestClient:
    return sign_in()


def section(page: str, heading: str) -> str:
    """One section of the page."""
    found = re.search(
        rf'<section aria-labelledby="{heading}">.*?(?=<section aria-labelledby|</main>)', page, re.DOTALL
    )
    assert found, heading
    return found[0]


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_head_says_who_serves_and_who_answers_for_it(client: TestClient) -> None:
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "Version 1" in words(page.text)
    assert 'href="mailto:logistics@example.com"' in page.text


def test_actions_stand_there_for_who_may_run_them(lived: Store, sign_in: SignIn) -> None:
    assert f"/airflow/dags/{MODEL}.rollback" in sign_in("admin").get(PAGE).text
    viewer = sign_in("viewer").get(PAGE)
    assert viewer.status_code == 200
    assert 'class="button"' not in viewer.text


def test_who_is_not_logged_in_sees_nothing(lived: Store, sign_in: SignIn) -> None:
    for path in ("", "/live", "/versions", "/compare?a=1&b=2"):
        assert sign_in(None).get(PAGE + path).status_code == 401


def test_a_rollout_offers_its_own_actions(client: TestClient, store: Store) -> None:
    roll_out(store)
    told = words(section(client.get(PAGE).text, "live-rollout"))
    assert "Hold the rollout" in told
    assert "Abort the rollout" in told
    assert "Retrain" not in told


def test_a_rollout_shows_its_split_gates_and_the_time_to_a_decision(client: TestClient, store: Store) -> None:
    roll_out(store, needed=300)
    part = section(client.get(PAGE).text, "live-rollout")
    told = words(part)
    assert "version 1 answers 80 % of the requests, version 2 20 %" in told
    assert re.search(r"after about 300 more samples, in about (1 min|\d+ s)", told)
    assert "error_rate: confidence sequence and limit" in part
    assert 'hx-trigger="every 5s"' in part


def test_nobody_guesses_when_a_decision_comes(client: TestClient, store: Store) -> None:
    roll_out(store, needed=None)
    assert "neither way" in section(client.get(PAGE).text, "live-rollout")


def test_a_held_rollout_says_so_and_keeps_its_evidence(client: TestClient, store: Store) -> None:
    roll_out(store, held=True)
    told = words(client.get(f"{PAGE}/live").text)
    assert "Resume the rollout" in told
    assert "not while the rollout is held" in told
    assert "with 600 samples" in told


def test_the_live_part_sees_the_next_look(client: TestClient, store: Store) -> None:
    roll_out(store, looks=3)
    assert "with 150 samples" in words(client.get(f"{PAGE}/live").text)
    log = progress_log(store, MODEL, DeploymentLog(store, MODEL).log.last_number())
    number, newest = log.newest() or (0, None)
    assert newest is not None
    log.append(newest.model_copy(update={"samples": 999}), after=number)
    assert "with 999 samples" in words(client.get(f"{PAGE}/live").text)


def test_the_head_refreshes_itself_with_the_live_rollout(client: TestClient, store: Store) -> None:
    def parts(page: str) -> list[str]:
        return re.findall(r'<div (?:class="cards" )?id="(heading|standing)">', page)

    roll_out(store)
    page = client.get(PAGE).text
    assert 'hx-select-oob="#heading:outerMorph,#standing:outerMorph"' in page
    assert parts(page) == ["heading", "standing"]
    promoted = Deployment(action="promote", champion=2, who="ann", why="better", at=utc_now())
    append(DeploymentLog(store, MODEL).log, promoted)
    live = client.get(f"{PAGE}/live").text
    assert parts(live) == ["heading", "standing"]
    head = live[live.index('id="heading"') : live.index('id="rollout"')]
    assert f'<a href="{PAGE}/versions/2">Version 2</a>' in head
    assert not re.search("aria-live|role=", head), "nobody hears of every refresh"


def test_versions_stand_beside_the_champion_of_their_time(client: TestClient) -> None:
    told = words(section(client.get(PAGE).text, "versions"))
    assert "v1 champion" in told
    assert "rejected" in told  # version 2 was rolled back from
    assert "+0.01 worse" in told  # log_loss 0.46 against 0.45
    assert "+0.01 better" in told  # auc 0.71 against 0.7
    assert "+0.004 to +0.016" in told


def test_versions_come_in_pages(client: TestClient, store: Store) -> None:
    for number in range(3, 61):
        register(store, number, after(100 + number), told().to_dict(), whole.evaluation())
    first = client.get(PAGE).text
    assert "11 to 60" in words(first) or "60 to 11 of 60" in words(first)
    older = re.search(r'href="([^"]*/versions\?below=11)"', first)
    assert older
    second = client.get(older[1]).text
    assert "10 to 1 of 60" in words(second)
    assert "below=61" in second


def test_two_versions_side_by_side(client: TestClient, store: Store) -> None:
    register(store, 3, after(70), told(description="Orders <b>now</b>").to_dict(), whole.evaluation())
    page = client.get(f"{PAGE}/compare", params={"a": 2, "b": 3})
    assert page.status_code == 200
    assert "description" in words(page.text)
    assert "Orders &lt;b&gt;now&lt;/b&gt;" in page.text
    assert "its own held-out rows" in words(page.text)


@pytest.mark.parametrize("a, b, status", [(1, 99, 404), (0, 1, 422), ("x", 1, 422)])
def test_versions_that_do_not_exist_are_told(client: TestClient, a: Any, b: Any, status: int) -> None:
    page = client.get(f"{PAGE}/compare", params={"a": a, "b": b})
    assert page.status_code == status
    assert "Traceback" not in page.text


def test_the_timeline_tells_every_decision(client: TestClient) -> None:
    part = section(client.get(PAGE).text, "deployment-timeline")
    assert "customers complain" in part
    assert "v2 answers 20 %, v1 the rest" in part
    assert "<title>Deployment timeline</title>" in part


def test_performance_and_drift_over_the_looks(client: TestClient, store: Store) -> None:
    look(store, 41, effect=0.02)
    kept = look(store, 42, effect=0.3)
    page = client.get(PAGE).text
    assert "log_loss by period" in section(page, "performance")
    drift = section(page, "drift")
    assert "Drift by feature and look" in drift
    assert "0.30 drifted" in words(drift)
    assert "0.02 drifted" not in words(drift)
    assert f"{PAGE}/blob/drift/{'7' * 64}?of=3" in drift
    assert kept


def test_a_report_that_is_gone_is_said_and_the_rest_is_shown(client: TestClient) -> None:
    page = client.get(PAGE).text  # the look of the world names reports that nobody kept
    assert "drift report: not in the store any more" in page
    assert "its report can&#39;t be read" in section(page, "drift")


def test_a_damaged_entry_is_said_and_the_rest_is_shown(client: TestClient, lived: Any) -> None:
    for damaged in ("deployments/0000000002.json", "versions/0000000002.json"):
        lived._objects[f"models/{MODEL}/{damaged}"] = b"<script>"
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "Some records can" in page.text
    assert "customers complain" in page.text
    assert "Its record can't be read." in section(page.text, "versions")


def test_slices_labels_alerts_and_requests(client: TestClient, store: Store) -> None:
    audited(store, 3)
    page = client.get(PAGE).text
    assert "carrier=UA" in section(page, "slices")
    assert "17 rows whose label is more likely wrong" in words(section(page, "label-issues"))
    assert "amount drifted" in section(page, "alerts")
    assert "drift: amount drifted" in words(section(page, "retraining"))


def test_hostile_text_stays_text(client: TestClient, store: Store) -> None:
    evil = "<script>alert(1)</script>"
    look(store, 41, effect=0.5, column=evil)
    roll_out(store)
    register(store, 3, after(90), told(description=evil).to_dict(), whole.evaluation(name=evil))
    page = client.get(PAGE)
    assert evil not in page.text
    assert "<i>between</i>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "style=" not in page.text
    assert "<style" not in page.text
    assert not re.search(r"\son\w+=", page.text)


def test_every_picture_has_a_title(client: TestClient, store: Store) -> None:
    look(store, 41, effect=0.5)
    roll_out(store)
    page = client.get(PAGE).text
    assert len(re.findall('<svg[^>]*role="img"', page)) == len(
        re.findall(r"<svg[^>]*role=\"img\"[^>]*>\s*<title>", page)
    )


def test_a_model_without_records_is_unknown(store: Store, sign_in: SignIn) -> None:
    assert sign_in().get(PAGE).status_code == 404


def test_a_model_that_only_began_a_release_has_a_page(store: Store, sign_in: SignIn) -> None:
    note_release(store, MODEL, ReleaseEvent(run="r", event="began", at=after(0)))
    page = sign_in().get(PAGE)
    assert page.status_code == 200
    assert "No versions" in page.text
