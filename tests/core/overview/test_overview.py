"""How models stand, by their logs alone; what can't be read is named, and a second look asks little of the store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.monitoring.alerts.alert import Alert
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log
from airflow_mlops.core.monitoring.performance.report import InputFreshness, PerformanceReport
from airflow_mlops.core.overview import ModelOverview, model_names, overview_of, overviews
from airflow_mlops.core.overview.known_log import KnownLog
from airflow_mlops.core.registry.approval.steps import ApprovalStep, step_log
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.releases import ReleaseEvent, release_log
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.results import keep
from tests.core.lineage.graph.world import approve, day, deploy, look, put_dataset, put_version

MODEL = "orders"
NOW = day(10)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A model with two versions, the second one the champion since day 3."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no record has to outlive the machine
    store = open_store(str(tmp_path / "store"))
    data = put_dataset(store, MODEL, "aa11", "1.parquet")
    spec = {"description": "late orders", "owner": "ann", "team": "retail", "contact": "#retail"}
    for number in (1, 2):
        put_version(store, MODEL, data, day(number), spec=spec)
    deploy(store, MODEL, "promote", 1, day(2))
    deploy(store, MODEL, "canary", 1, day(2), challenger=2, weight=0.2, run="r2")
    deploy(store, MODEL, "promote", 2, day(3))
    return store


def seen(store: Store, at: Any = NOW) -> ModelOverview:
    return overview_of(store, MODEL, now=at)


def sign(overview: ModelOverview, name: str) -> tuple[str, str]:
    return next((one.mood, one.said) for one in overview.signs if one.name == name)


def release(store: Store, event: Any, at: Any, run: str = "r3", **fields: Any) -> None:
    log = release_log(store, MODEL)
    log.append(ReleaseEvent(run=run, event=event, at=at, **fields), after=log.last_number())


def asked(store: Store, version: int = 3, step: Any = "asked", person: int = 1, run: str = "r") -> None:
    log = step_log(store, MODEL)
    entry = ApprovalStep(
        run=run, version=version, person=person, step=step, reasons=("it is worse",), at=day(9)
    )
    log.append(entry, after=log.last_number())


def alert(store: Store, kind: Any, state: Any = "new", title: str = "orders: version 2 is unhealthy") -> None:
    log = alert_log(store, MODEL)
    told = Alert(
        model=MODEL, kind=kind, severity="critical", state=state, title=title, how_bad="9 of 10 failed",
        next_step="", at=NOW,
    )  # fmt: skip
    log.append(AlertEntry(alert=told, run="m", delivered=True, at=NOW), after=log.last_number())


# --- what serves ---


def test_a_champion_since_when_and_whose_it_is(store: Store) -> None:
    found = seen(store)
    assert (found.mode, found.champion, found.versions, found.champion_since) == ("champion", 2, 2, day(3))
    assert (found.description, found.owner, found.team, found.contact) == (
        "late orders",
        "ann",
        "retail",
        "#retail",
    )
    assert found.rollout is None
    assert sign(found, "fallback") == ("good", "version 2 answers")


def test_a_champion_that_came_back_is_champion_since_then(store: Store) -> None:
    deploy(store, MODEL, "rollback", 1, day(4))
    assert (seen(store).champion, seen(store).champion_since) == (1, day(4))
    deploy(store, MODEL, "fallback", 1, day(5))
    deploy(store, MODEL, "rollback", 1, day(6))
    assert seen(store).champion_since == day(6)


def test_a_rollout_is_that_of_its_first_entry(store: Store) -> None:
    place: dict[str, Any] = {"challenger": 1, "weight": 0.2, "run": "r3", "lease_until": day(11)}
    number = deploy(store, MODEL, "canary", 2, day(8), **place)
    deploy(store, MODEL, "canary", 2, day(9), held=True, control="c", **place)
    found = seen(store)
    assert found.rollout is not None
    assert (found.rollout.entry, found.rollout.since, found.rollout.held) == (number, day(8), True)
    assert (found.rollout.stage, found.rollout.challenger, found.rollout.weight) == ("canary", 1, 0.2)
    assert found.champion_since == day(3)
    assert found.waits_for.startswith("resume or abort of version 1, held by ann")
    over = seen(store, day(12))
    assert (over.mode, over.rollout, over.waits_for) == ("champion", None, "")


def test_the_fallback_rule(store: Store) -> None:
    deploy(store, MODEL, "fallback", 2, day(9))
    found = seen(store)
    assert (found.mode, found.champion, found.champion_since, found.mood) == ("fallback", None, None, "bad")
    assert found.signs[0].name == "fallback"
    assert sign(found, "fallback") == ("bad", "the fallback rule answers instead of version 2: fallback it")


def test_a_model_that_nobody_knows(store: Store) -> None:
    found = overview_of(store, "nobody", now=NOW)
    assert (found.versions, found.champion, found.mood, found.broken) == (0, None, "unknown", ())
    assert model_names(store) == (MODEL,)
    with pytest.raises(StoreError, match="not allowed"):
        overview_of(store, "../x", now=NOW)


def test_an_empty_store(tmp_path: Path) -> None:
    assert overviews(open_store(str(tmp_path)), now=NOW) == ()


def test_several_in_the_order_that_was_asked_for(store: Store) -> None:
    deploy(store, "all", "promote", 1, day(1))
    assert [one.model for one in overviews(store, now=NOW)] == ["all", MODEL]
    assert [one.model for one in overviews(store, [MODEL, "all"], now=NOW)] == [MODEL, "all"]


# --- the last release ---


def test_releases(store: Store) -> None:
    assert seen(store).last_release is None
    release(store, "began", day(4))
    found = seen(store).last_release
    assert found is not None
    assert (found.run, found.outcome, found.began, found.ended) == ("r3", None, day(4), None)
    release(store, "began", day(5), run="r4")
    release(store, "refused", day(6), version=3, reason="auc")
    found = seen(store).last_release
    assert found is not None
    assert (found.outcome, found.version, found.reason, found.began, found.ended) == (
        *("refused", 3, "auc"),
        *(day(4), day(6)),
    )


# --- people ---


def test_an_open_question(store: Store) -> None:
    asked(store)
    assert seen(store).waits_for == "approval of version 3: it is worse"
    asked(store, step="counted")
    assert "by a second person" in seen(store).waits_for
    approve(store, MODEL, 3, "approved", NOW)
    assert seen(store).waits_for == ""


def test_an_answer_to_an_earlier_question_is_none(store: Store) -> None:
    approve(store, MODEL, 2, "approved", day(1))
    asked(store)
    assert seen(store).waits_for.startswith("approval of version 3")
    release(store, "began", day(9), run="r")
    release(store, "refused", day(9) + HOUR, run="r")
    assert seen(store).waits_for == ""


# --- health ---


@pytest.mark.parametrize(
    "fields, name, mood, said",
    [
        ({}, "drift", "good", "no drift"),
        ({"outcome": "inconclusive"}, "drift", "unknown", "too little traffic"),
        (
            {"outcome": "drift", "columns": tuple("abcde")},
            "drift",
            "warning",
            "5 columns drifted: a, b, c and 2 more",
        ),
        ({}, "performance", "unknown", "not measured yet"),
        (
            {"judged_on": "estimated", "metrics": {"auc": 0.75}},
            "performance",
            "good",
            "auc 0.75 (estimated)",
        ),
        ({"failed_gates": ("auc",), "judged_on": "measured"}, "performance", "bad", "failed gates: auc"),
        ({}, "freshness", "unknown", "nobody knows"),
        ({}, "endpoint", "good", "healthy at the last look"),
        ({"champion": 1}, "performance", "unknown", "no look since version 2 is the champion"),
    ],
)
def test_signs_of_a_look(store: Store, fields: dict[str, Any], name: str, mood: str, said: str) -> None:
    look(store, MODEL, fields.pop("champion", 2), NOW - HOUR, **fields)
    found = sign(seen(store), name)
    assert found[0] == mood
    assert said in found[1]


def test_without_a_look_nobody_knows(store: Store) -> None:
    found = seen(store)
    assert found.mood == "unknown"
    assert {sign(found, name) for name in ("drift", "performance", "freshness", "endpoint")} == {
        ("unknown", "no look yet")
    }


def test_an_old_look_says_nothing_about_now(store: Store) -> None:
    look(store, MODEL, 2, day(5))
    look(store, MODEL, 2, day(6))
    assert sign(seen(store, day(8)), "drift") == ("good", "no drift")
    mood, said = sign(seen(store, day(10)), "drift")
    assert (mood, "it said stable then" in said) == ("unknown", True)
    assert sign(seen(store, day(10)), "endpoint")[0] == "unknown"


@pytest.mark.parametrize(
    "stale, found",
    [
        (False, ("good", "newest data of 2024-01-10 00:00")),
        (True, ("warning", "stale data: orders")),
    ],
)
def test_freshness_is_that_of_the_report(store: Store, stale: bool, found: tuple[str, str]) -> None:
    inputs = (InputFreshness(name=MODEL, place="p", newest=day(9), stale=stale),)
    report = PerformanceReport(
        model=MODEL, champion=2, since=day(8), until=day(9), as_of=day(9), inputs=inputs
    )
    look(store, MODEL, 2, NOW - HOUR, performance=keep(store, report))
    assert sign(seen(store), "freshness") == found


def test_an_unhealthy_endpoint_until_it_is_over(store: Store) -> None:
    look(store, MODEL, 2, NOW - HOUR)
    alert(store, "unhealthy")
    alert(store, "drift", title="orders drifts")
    found = seen(store)
    assert found.mood == "bad"
    assert sign(found, "endpoint") == ("bad", "orders: version 2 is unhealthy: 9 of 10 failed")
    alert(store, "unhealthy", "resolved")
    assert sign(seen(store), "endpoint")[0] == "good"


# --- lost and damaged records ---


def path_of(store: Store, key: str) -> Path:
    return Path(store.uri.removeprefix("file://")) / key


@pytest.mark.parametrize("part", ["versions", "deployments", "monitoring", "releases"])
@pytest.mark.parametrize("damage", ["lost", "damaged"])
def test_what_can_not_be_read_is_named_and_the_rest_is_told(store: Store, part: str, damage: str) -> None:
    look(store, MODEL, 2, NOW - 2 * HOUR)
    look(store, MODEL, 2, NOW - HOUR)
    release(store, "began", day(4))
    release(store, "refused", day(5))
    folder = path_of(store, f"models/{MODEL}/{part}")
    newest = max(folder.iterdir())
    if damage == "damaged":
        newest.write_bytes(b'{"half": ')
    else:
        (folder / f"{int(newest.stem) - 1:010d}.json").unlink()  # a gap before the newest
    found = seen(store)
    assert (found.model, found.versions) == (MODEL, 2)
    if damage == "damaged":
        assert len(found.broken) == 1
        assert newest.stem.lstrip("0") in found.broken[0]
    else:
        assert all("is lost" in line for line in found.broken)
        assert found.champion == 2  # the newest entry is found behind the gap


def test_a_damaged_record_that_is_mended_is_told_at_the_next_look(store: Store) -> None:
    path = path_of(store, f"models/{MODEL}/deployments/{3:010d}.json")
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert (seen(store).champion, len(seen(store).broken)) == (1, 1)
    path.write_bytes(whole)
    assert (seen(store).champion, seen(store).broken) == (2, ())


def test_a_report_that_is_gone_is_named(store: Store) -> None:
    look(store, MODEL, 2, NOW - HOUR, performance="f" * 64)
    found = seen(store)
    assert sign(found, "freshness")[0] == "unknown"
    assert found.broken[0].startswith("performance report:")


def test_a_store_that_can_not_be_reached_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(store)

    def down(key: str) -> bool:
        raise StoreError("no connection")

    monkeypatch.setattr(store, "exists", down)
    with pytest.raises(StoreError, match="no connection"):
        seen(store)


# --- what it costs ---


def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    asked: Counter[str] = Counter()

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            asked[name] += 1
            return call(*args, **kwargs)

        return wrapped

    for name in ("read", "exists", "list"):
        monkeypatch.setattr(store, name, counting(name, getattr(store, name)))
    return asked


def test_a_second_look_reads_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = seen(store)
    asked = counted(store, monkeypatch)
    assert seen(store) == first
    assert asked.keys() == {"exists"}
    assert asked["exists"] <= 10


def test_what_is_new_is_read_and_nothing_else(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(store)
    again = open_store(store.uri)  # another opening of the same store knows it, too
    deploy(store, MODEL, "promote", 1, day(9))
    asked = counted(again, monkeypatch)
    assert seen(again).champion == 1
    assert asked["read"] <= 3


def test_a_store_that_was_emptied_and_filled_anew(store: Store) -> None:
    seen(store)
    for number in (2, 3):
        path_of(store, f"models/{MODEL}/deployments/{number:010d}.json").unlink()
    assert seen(store).champion == 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 33])
def test_the_end_of_a_log_is_found_whatever_is_lost_before_it(tmp_path: Path, count: int) -> None:
    store = open_store(str(tmp_path))
    for number in range(1, count + 1):
        if number not in (1, 4, 16):
            store.create(f"log/{number:010d}.json", b"{}")
    log = KnownLog("log", Deployment, "log")
    assert log.look(store) == (0 if count < 2 else count)
    assert log.look(store) == log.number
