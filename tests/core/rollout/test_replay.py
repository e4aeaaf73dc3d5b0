"""A replay decides about a challenger before any traffic: like a shadow, by the same requests at every look."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import DeploymentConflict, GateFailed, RegistryError, SpecError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout import past_answers
from airflow_mlops.core.rollout.judge import judge
from airflow_mlops.core.rollout.past_answers import answer_again
from airflow_mlops.core.rollout.past_requests import past_requests
from airflow_mlops.core.serving.captures import captures_prefix, read_captures
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.core.serving.loading import RegistrySource
from airflow_mlops.core.store import Store, open_store
from tests.core.registry import world
from tests.core.rollout import past
from tests.core.rollout.past import MODEL, NOW, answered, conductor, keep, label, replayed, requests, spec

BRIER = {"metric": "brier", "margin": 0.1}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Version 1 is the champion; version 2 has learned the same, and from one more column."""
    store = open_store(str(tmp_path / "store"))
    past.promote(store, past.register(store))
    past.register(store, past.NUMBERS)
    return store


def keys(store: Store) -> list[str]:
    """All keys but those of the audit log."""
    return [item.key for item in store.list("") if not item.key.startswith("audit/")]


def entries(store: Store) -> list[str]:
    return [entry.action for _, entry in DeploymentLog(store, MODEL).log.entries()]


# --- the verdict ---


def test_a_good_challenger_passes_and_no_traffic_is_touched(store: Store) -> None:
    records = answered(store, requests(600))
    keep(store, records)
    label(store, records)
    before = [key for key in keys(store) if "/deployments/" in key or key.startswith("captures/")]
    verdict = replayed(store, spec({"metric": "error_rate", "margin": 0.05}, BRIER))
    assert (verdict.stage, verdict.decision) == ("replay", "PROMOTE")
    assert (verdict.version, verdict.run, verdict.deployment) == (2, "release/2", None)
    assert verdict.counts["pairs"] == verdict.counts["samples"] == 600
    assert [one.samples for one in verdict.gates] == [600, 600]
    assert [key for key in keys(store) if "/deployments/" in key or key.startswith("captures/")] == before
    assert entries(store) == ["promote"]


def test_a_bad_challenger_is_stopped_by_the_truth_about_past_requests(store: Store) -> None:
    past.register(store, inverted=True)
    records = answered(store, requests(600))
    keep(store, records)
    label(store, records)
    verdict = replayed(store, spec(BRIER), 3)
    assert (verdict.decision, verdict.gates[0].outcome) == ("ROLLBACK", "fail")
    assert verdict.gates[0].value is not None
    assert verdict.gates[0].value > 0.5
    assert verdict.gates[0].champion is not None
    assert verdict.gates[0].champion < 0.2
    assert entries(store) == ["promote"]


def test_rows_that_lack_a_column_of_the_challenger_are_failed_answers(store: Store) -> None:
    asked = [({"amount": 0.5, "id": 1},) if number % 4 else rows for number, rows in enumerate(requests(400))]
    keep(store, answered(store, asked))
    verdict = replayed(store, spec())
    assert verdict.decision == "ROLLBACK"
    assert verdict.gates[0].value == pytest.approx(0.75)
    assert verdict.counts["challenger_failed"] == 300
    assert verdict.reason.endswith(
        "the challenger failed on 300 of 400 requests, 300 of them with: row 0 lacks weight"
    )


def test_failures_within_the_margin_pass_and_are_told(store: Store) -> None:
    asked = requests(1500)
    asked[7] = ({"amount": "a secret", "weight": 1.0},)
    records = [
        record.model_copy(update={"rows": rows})
        for record, rows in zip(answered(store, requests(1500)), asked, strict=True)
    ]
    keep(store, records)
    verdict = replayed(store, spec())
    assert verdict.decision == "PROMOTE"
    assert verdict.reason.endswith(
        "failed on 1 of 1500 requests, 1 of them with: row 0, feature amount is no number"
    )


def test_the_pairs_are_judged_as_a_shadow_would_be(store: Store) -> None:
    records = answered(store, requests(300))
    keep(store, records)
    label(store, records)
    gates = [{"metric": "error_rate", "margin": 0.05}, BRIER]
    rollout = world.spec(
        rollout={
            "replay": {"min_samples": 200, "gates": gates},
            "shadow": {"min_samples": 200, "gates": gates},
        }
    ).rollout
    answers = answer_again(RegistrySource(store).load(MODEL, 2), records, Counter())
    shadow = judge(
        "shadow",
        rollout,
        "binary",
        [*records, *answers],
        read_ground_truth(store, MODEL, records[0].at),
        champion=1,
        challenger=2,
        started=records[0].at,
        now=NOW,
    )
    assert replayed(store, spec(*gates)).gates == shadow.gates


# --- what is undecided ---


def test_without_captures_it_is_inconclusive_and_says_why(store: Store) -> None:
    verdict = replayed(store, spec())
    assert verdict.decision == "INCONCLUSIVE"
    assert verdict.reason.startswith(
        "0 captured requests to v1 since 2026-03-01 12:00:00 UTC can be asked again; the captured requests do not"
    )
    assert verdict.reason.endswith(
        "lower rollout.replay.min_samples (200), or widen rollout.replay.window (1d), "
        "or replay again after more traffic"
    )


def test_captures_of_the_champion_before_are_none_of_a_young_one(store: Store) -> None:
    keep(store, answered(store, requests(30), variant="v7"))
    verdict = replayed(store, spec())
    assert verdict.decision == "INCONCLUSIVE"
    assert "can be asked again (left out: 30 of other champions)" in verdict.reason


def test_too_few_requests_are_inconclusive_however_good_they_are(store: Store) -> None:
    keep(store, answered(store, requests(199)))
    verdict = replayed(store, spec({"metric": "error_rate", "max": 0.9}))
    assert (verdict.decision, verdict.gates[0].outcome) == ("INCONCLUSIVE", "pass")
    assert "199 of at least 200 samples" in verdict.reason
    assert verdict.needed == 1
    assert "lower rollout.replay.min_samples (200)" in verdict.reason


def test_requests_without_truth_are_inconclusive_and_the_reason_counts_labels(store: Store) -> None:
    records = answered(store, requests(300))
    keep(store, records)
    label(store, records[:5])
    verdict = replayed(store, spec(BRIER))
    assert verdict.decision == "INCONCLUSIVE"
    assert "5 of 300 requests have ground truth: hand in more and replay again" in verdict.reason
    assert "min_samples" not in verdict.reason


def test_where_the_limit_of_requests_is_reached_that_is_the_remedy(store: Store) -> None:
    keep(store, answered(store, requests(260)))
    tight = spec({"metric": "error_rate", "margin": 0.0001}, max_requests=250)
    verdict = replayed(store, tight)
    assert verdict.decision == "INCONCLUSIVE"
    assert verdict.counts["samples"] == 250
    assert "raise rollout.replay.max_requests (250)" in verdict.reason
    assert "window" not in verdict.reason


# --- which requests are asked again ---


def taken(store: Store, replay: Any, now: Any = NOW) -> Any:
    endpoint = conductor(store, spec()).endpoint
    return past_requests(store, endpoint, replay, champion=1, key="start", now=now)


def replay_of(**fields: Any) -> Any:
    return spec(**fields).rollout.replay


def names(found: Any) -> list[str]:
    return [record.inference_id.removeprefix("request-") for record in found.requests]


def test_only_what_the_hash_gave_to_the_champion_is_asked_again(store: Store) -> None:
    keep(store, answered(store, requests(3)))
    strange: list[dict[str, Any]] = [
        {"chosen": "target"},
        {"chosen": "failover"},
        {"variant": "v9"},
        {"variant": "v2", "role": "shadow", "chosen": "shadow"},
        {"variant": "v2", "role": "challenger"},
        {"variant": "fallback", "role": "fallback"},
        {"rows": (), "predictions": ()},
        {"at": NOW - timedelta(days=1, seconds=1)},
        {"at": NOW + timedelta(seconds=1)},
    ]
    for number, fields in enumerate(strange):
        keep(store, answered(store, requests(1), first=100 + number, **fields), name=f"s{number}")
    found = taken(store, replay_of())
    assert names(found) == ["0", "1", "2"]
    assert found.counts == {"not_of_the_champion": 5, "of_other_champions": 1, "captured_without_rows": 1}
    assert found.since == NOW - timedelta(days=1)


def test_what_the_champion_failed_on_is_asked_again(store: Store) -> None:
    failed = answered(store, requests(250), status=500, predictions=None)
    keep(store, failed)
    verdict = replayed(store, spec())
    assert verdict.decision == "PROMOTE"
    assert verdict.counts["champion_failed"] == 250
    assert "challenger_failed" not in verdict.counts


def test_a_callers_retry_is_one_request(store: Store) -> None:
    records = answered(store, requests(4))
    again = records[1].model_copy(update={"event_id": "other", "at": records[3].at})
    keep(store, [*records, again])
    found = taken(store, replay_of())
    assert [record.event_id for record in found.requests] == [f"event-{number}" for number in range(4)]
    assert found.counts == {"repeated_inference_id": 1}


def test_the_newest_are_taken_whatever_the_order_of_the_files(store: Store) -> None:
    records = answered(store, requests(10))
    keep(store, records[5:], name="a")
    keep(store, records[:5], name="b")
    found = taken(store, replay_of(max_requests=4, min_samples=1))
    assert names(found) == ["6", "7", "8", "9"]
    assert found.since == records[6].at


def test_of_busy_traffic_only_the_end_of_the_window_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, answered(store, requests(10)))
    asked: list[Any] = []
    endpoint = conductor(store, spec()).endpoint

    def captures(_: Any, since: Any) -> Any:
        asked.append(since)
        return read_captures(store, MODEL, since)

    monkeypatch.setattr(type(endpoint), "captures", captures)
    assert names(taken(store, replay_of(max_requests=4, min_samples=1))) == ["6", "7", "8", "9"]
    assert asked == [NOW - timedelta(hours=1)]
    keep(store, answered(store, requests(2), first=50, at=NOW - timedelta(hours=20)), "early")
    found = past_requests(store, endpoint, replay_of(), champion=1, key="other", now=NOW)
    assert len(found.requests) == 12
    assert asked[1:] == [NOW - timedelta(hours=1), NOW - timedelta(days=1)]


# --- again and again ---


def test_a_retry_takes_the_same_requests_and_gives_the_same_verdict(store: Store) -> None:
    records = answered(store, requests(600))
    keep(store, records)
    label(store, records)
    some = spec({"metric": "error_rate", "margin": 0.05}, BRIER, max_requests=400)
    first = replayed(store, some)
    written = keys(store)
    assert first.counts["samples"] == 400
    keep(
        store,
        [one.model_copy(update={"at": NOW}) for one in answered(store, requests(50), first=900)],
        "late",
    )
    later = NOW + timedelta(hours=23, minutes=59, seconds=30)
    assert replayed(store, some, now=later) == first
    assert len(keys(store)) == len(written) + 1, "the new captures alone"
    other = replayed(store, some, now=later, run="release/3")
    assert other.counts["samples"] == 50, "another run has a window of its own"


def test_a_later_look_adds_what_was_captured_since(store: Store) -> None:
    keep(store, answered(store, requests(150)))
    assert replayed(store, spec()).decision == "INCONCLUSIVE"
    keep(
        store,
        [one.model_copy(update={"at": NOW}) for one in answered(store, requests(450), first=200)],
        "late",
    )
    verdict = replayed(store, spec(), now=NOW + timedelta(hours=20))
    assert (verdict.decision, verdict.counts["samples"]) == ("PROMOTE", 600)


def test_a_refused_challenger_stays_refused_when_it_does_better_later(store: Store) -> None:
    asked = [({"amount": 0.5},)] * 300
    keep(store, answered(store, asked))
    assert replayed(store, spec()).decision == "ROLLBACK"
    good = [one.model_copy(update={"at": NOW}) for one in answered(store, requests(300), first=300)]
    keep(store, good, "late")
    assert replayed(store, spec(), now=NOW + timedelta(days=2)).decision == "ROLLBACK"
    lenient = spec({"metric": "error_rate", "margin": 0.9})
    assert replayed(store, lenient).decision != "ROLLBACK", "another question has another answer"


def test_two_tries_at_once_agree_on_one_window(store: Store) -> None:
    """The other one was a little later, and kept its window first."""
    records = answered(store, requests(8))
    keep(store, records)
    few = replay_of(max_requests=4, min_samples=1)
    other = taken(store, few, now=records[5].at)
    assert names(other) == ["2", "3", "4", "5"]
    assert names(taken(store, few)) == names(other)


def test_a_try_that_died_leaves_nothing_but_its_window(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, answered(store, requests(300)))
    before = keys(store)

    def die(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(past_answers, "answer_each", die)
        with pytest.raises(KeyboardInterrupt):
            replayed(store, spec())
    left = [key for key in keys(store) if key not in before]
    assert len(left) == 1
    assert left[0].startswith(f"models/{MODEL}/replays/2/")
    assert replayed(store, spec()).counts["samples"] == 300


# --- the challenger's answers ---


@pytest.mark.parametrize("code", [False, True], ids=["raw columns", "feature function"])
def test_answers_are_those_of_each_request_alone(store: Store, code: bool) -> None:
    version = past.register(store, code=code)
    records = answered(store, requests(700, rows=3))
    loaded = RegistrySource(store).load(MODEL, version)
    told: list[str] = []
    answers = list(answer_again(loaded, records, Counter(), told.append))
    model = past.predictor(store, version)
    for request, answer in zip(records[::53], answers[::53], strict=True):
        assert answer.predictions == tuple(model.predict(request.rows))
        assert (answer.inference_id, answer.key, answer.at) == (request.inference_id, request.key, request.at)
        assert (answer.variant, answer.role, answer.status, answer.latency_ms) == ("v3", "shadow", 200, 0.0)
    assert len({one.event_id for one in (*records, *answers)}) == 1400
    assert answers == list(answer_again(loaded, records, Counter()))
    assert told == ["v3 has answered 700 of 700, 0 failed"]


def test_a_request_that_the_model_fails_on_fails_no_other(store: Store) -> None:
    version = RegistrySource(store).load(MODEL, past.register(store, code=True))
    asked = requests(40)
    asked[11] = ({"amount": -1000.0},)
    asked[12] = ({"weight": 1.0},)
    failures: Counter[str] = Counter()
    records = [
        record.model_copy(update={"rows": rows})
        for record, rows in zip(answered(store, requests(40)), asked, strict=True)
    ]
    answers = list(answer_again(version, records, failures))
    assert [number for number, one in enumerate(answers) if one.predictions is None] == [11, 12]
    assert {one.status for one in answers if one.predictions is None} == {500}
    assert failures.total() == 2
    assert failures["row 0 lacks amount"] == 1
    assert any("no such amount" in why for why in failures)


# --- when there is nothing to replay ---


def test_without_a_champion_there_is_nothing_to_prove(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    version = past.register(store)
    assert conductor(store, spec()).replay(version) is None


def test_what_this_run_has_promoted_is_proved_already(store: Store) -> None:
    assert conductor(store, spec(), run="release/first").replay(1) is None
    with pytest.raises(DeploymentConflict, match="version 1 of orders is the champion already"):
        conductor(store, spec()).replay(1)


def test_while_the_fallback_rule_answers_nothing_is_replayed(store: Store) -> None:
    DeploymentLog(store, MODEL).fallback(who="bob", why="off", run="rb")
    with pytest.raises(DeploymentConflict, match="on its fallback rule"):
        conductor(store, spec()).replay(2)


def test_a_version_or_a_stage_that_is_not_there(store: Store) -> None:
    with pytest.raises(RegistryError, match="orders has no version 9; expected 1 to 2"):
        conductor(store, spec()).replay(9)
    with pytest.raises(SpecError, match=r"rollout has no replay stage; add rollout.replay to the spec"):
        conductor(store, world.spec()).replay(2)
    assert not list(store.list(f"models/{MODEL}/replays/"))


def test_a_latency_gate_is_refused_before_anything_is_read(store: Store) -> None:
    slow = spec({"metric": "latency", "margin": 0.01, "threshold": 50})
    with pytest.raises(
        SpecError,
        match=r"^rollout.replay.gates.0: latency can't be judged in replay: no traffic passed; "
        r"put it under rollout.shadow$",
    ):
        conductor(store, slow).replay(2)


def test_a_replay_that_could_never_pass_is_no_spec() -> None:
    with pytest.raises(SpecError, match=r"rollout.replay.*min_samples is above max_requests \(100\)"):
        spec(max_requests=100)


def test_broken_lines_among_the_captures_are_left_out(store: Store) -> None:
    keep(store, answered(store, requests(250)))
    hour = next(iter(store.list(f"{captures_prefix(MODEL)}v1/"))).key.rsplit("/", 1)[0]
    store.create(f"{hour}/zz.jsonl", b'{"half a li\n\n[]\n')
    assert replayed(store, spec()).counts["samples"] == 250


# --- proof ---


def test_a_promotion_needs_the_replay_of_this_version_and_run(store: Store) -> None:
    keep(store, answered(store, requests(300)))
    verdict = replayed(store, spec())
    release = conductor(store, spec())
    for wrong, says in (
        ([], "given no verdict; expected replay, shadow"),
        ([verdict], "given replay; expected replay, shadow"),
        ([verdict.model_copy(update={"version": 3})], "replay of version 3"),
        ([verdict.model_copy(update={"run": "release/9"})], "replay of run release/9"),
        ([verdict.model_copy(update={"decision": "INCONCLUSIVE"})], "INCONCLUSIVE in replay"),
        ([verdict.model_copy(update={"deployment": 1})], "replay with a place in the traffic"),
        ([verdict, verdict.model_copy(update={"stage": "shadow"})], "shadow without its entry"),
        ([verdict, verdict], "given replay, replay"),
    ):
        with pytest.raises(GateFailed, match=says):
            release.promote(2, wrong)
    assert entries(store) == ["promote"]
