"""The list of models: what it shows, in which order, and how it is narrowed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

import pytest

from airflow_mlops.core.overview import LastRelease, ModelOverview, RolloutNow, Sign
from airflow_mlops.core.store import Store
from airflow_mlops.ui import models
from airflow_mlops.ui.models import Chosen, owners, ranked
from tests.ui.conftest import HERE, SignIn
from tests.ui.world import register

NOW = datetime.now(timezone.utc)


def overview(model: str, **fields: object) -> ModelOverview:
    base: dict[str, object] = {
        "model": model,
        "description": "",
        "owner": "",
        "team": "",
        "contact": "",
        "mode": "champion",
        "versions": 3,
        "champion": 2,
        "champion_since": NOW - timedelta(days=3, hours=4, minutes=20),
        "rollout": None,
        "last_release": None,
        "mood": "good",
        "signs": (Sign(name="drift", mood="good", said="no column drifted"),),
    }
    return ModelOverview(**{**base, **fields})


def rollout(held: bool = False) -> RolloutNow:
    return RolloutNow(
        stage="canary",
        champion=2,
        challenger=3,
        weight=0.125,
        held=held,
        run=None,
        entry=7,
        since=NOW,
        until=None,
    )


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, store: Store) -> dict[str, ModelOverview]:
    """What the store says of its models, by name."""
    found: dict[str, ModelOverview] = {}

    def overviews(_: Store, names: Iterable[str], *, now: datetime) -> tuple[ModelOverview, ...]:
        return tuple(found[name] for name in names)

    monkeypatch.setattr(models, "model_names", lambda _: tuple(sorted(found)))
    monkeypatch.setattr(models, "overviews", overviews)
    return found


def _text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def _rows(page: str) -> list[str]:
    return re.findall(r'<tr id="model-([^"]*)">', page)


def test_the_worst_come_first_then_who_waits_then_what_moves() -> None:
    found = [
        overview("a_good"),
        overview("b_moves", rollout=rollout()),
        overview("c_waits", waits_for="approval of version 3"),
        overview("d_unknown", mood="unknown"),
        overview("e_warning", mood="warning"),
        overview("f_bad", mood="bad"),
    ]
    order = [one.model for one in ranked(found)]
    assert order == ["f_bad", "e_warning", "d_unknown", "c_waits", "b_moves", "a_good"]


def test_a_model_is_told_in_a_row(sign_in: SignIn, known: dict[str, ModelOverview]) -> None:
    known["orders"] = overview(
        "orders",
        description="Late orders",
        owner="ann",
        team="shop",
        mood="bad",
        signs=(
            Sign(
                name="performance",
                mood="bad",
                said="failed gates: auc",
                at=NOW - timedelta(days=2, hours=3, minutes=20),
            ),
            Sign(name="drift", mood="good", said="no column drifted"),
        ),
        rollout=rollout(held=True),
        last_release=LastRelease(
            run="orders.release/manual__1",
            outcome="refused",
            version=3,
            reason="gate auc: 0.5 is below 0.6",
            began=NOW - timedelta(hours=5),
            ended=NOW - timedelta(hours=4),
        ),
        waits_for="resume or abort of version 3, held by bob: a look first",
    )
    page = sign_in().get(f"{HERE}/").text
    told = _text(page)
    for part in (
        "Late orders",
        "ann (shop)",
        "performance : failed gates: auc ( 2 d 3 h ago )",
        "good: drift",
        "v2",
        "since 3 d 4 h ago",
        "v3 in canary",
        "12.5 % of live requests",
        "refused",
        "gate auc: 0.5 is below 0.6",
        "resume or abort of version 3",
    ):
        assert part in told, part
    for link in (
        'href="/airflow/mlops/models/orders"',
        'href="/airflow/mlops/models/orders/versions/2"',
        'href="/airflow/dags/orders.release/runs/manual__1" target="_top"',
        'href="/airflow/dags/orders.rollout" target="_top"',
        'href="/airflow/dags/orders.release/runs/manual__1/required_actions" target="_top"',
    ):
        assert link in page, link


def test_only_who_may_resume_is_led_there(sign_in: SignIn, known: dict[str, ModelOverview]) -> None:
    known["orders"] = overview("orders", rollout=rollout(held=True), waits_for="resume")
    assert "/dags/orders.rollout" in sign_in("user").get(f"{HERE}/").text
    assert "/dags/orders.rollout" not in sign_in("viewer").get(f"{HERE}/").text


def test_the_list_is_narrowed_by_text_owner_and_health(
    sign_in: SignIn, known: dict[str, ModelOverview]
) -> None:
    known["orders"] = overview("orders", description="Late orders", owner="ann", team="shop")
    known["prices"] = overview("prices", owner="bob", team="shop", mood="bad")
    known["loads"] = overview("loads", owner="bob", mood="bad", contact="#loads")
    client = sign_in()

    def listed(**asked: object) -> list[str]:
        return _rows(client.get(f"{HERE}/", params=asked).text)

    assert listed() == ["loads", "prices", "orders"]
    assert listed(q="LATE ord") == ["orders"]
    assert listed(q="#loads") == ["loads"]
    assert listed(owner="shop") == ["prices", "orders"]
    assert listed(owner="bob", mood="bad", q="pri") == ["prices"]
    page = client.get(f"{HERE}/", params={"q": "nobody"}).text
    assert "No model is like that" in page
    assert "0 of 3 models" in page


def test_many_models_come_in_pages_of_a_hundred(sign_in: SignIn, known: dict[str, ModelOverview]) -> None:
    known.update({name: overview(name, owner="ann") for name in (f"m{number:03d}" for number in range(205))})
    client = sign_in()
    first = client.get(f"{HERE}/", params={"owner": "ann"}).text
    last = client.get(f"{HERE}/", params={"page": 99}).text
    assert _rows(first) == [f"m{number:03d}" for number in range(100)]
    assert 'href="/airflow/mlops/?owner=ann&amp;page=2"' in first
    assert "Page 1 of 3" in first
    assert _rows(last) == [f"m{number:03d}" for number in range(200, 205)]
    assert "Previous" in last
    assert "Next" not in last


def test_the_part_that_moves_asks_for_what_was_chosen(
    sign_in: SignIn, known: dict[str, ModelOverview]
) -> None:
    known["orders"] = overview("orders")
    page = sign_in().get(f"{HERE}/", params={"q": "ord & co"}).text
    assert 'id="models" hx-get="/airflow/mlops/?q=ord+%26+co" hx-trigger="every 10s"' in page


def test_no_model_yet(sign_in: SignIn, store: Store) -> None:
    assert "No model yet that you may see" in sign_in().get(f"{HERE}/").text


def test_models_of_a_store_are_listed(sign_in: SignIn, store: Store) -> None:
    register(store, "orders", description="Late orders", owner="ann")
    told = _text(sign_in().get(f"{HERE}/").text)
    assert "orders Late orders ann" in told
    assert "1 version" in told
    assert "none yet" in told


def test_nothing_in_the_page_is_inline(sign_in: SignIn, known: dict[str, ModelOverview]) -> None:
    known["orders"] = overview("orders", rollout=rollout(), mood="warning")
    page = sign_in().get(f"{HERE}/").text
    assert not re.search(r"<style|<script(?! src=)|\son\w+=|\sstyle=|javascript:|https?://", page)


def test_the_address_of_a_list_keeps_what_was_chosen() -> None:
    chosen = Chosen(q="a b", owner="شركة", mood="bad")
    assert chosen.address("/m/", 1).startswith("/m/?q=a+b&owner=%D8%B4")
    assert chosen.address("/m/", 2).endswith("&mood=bad&page=2")
    assert Chosen().address("/m/", 1) == "/m/"


def test_owners_and_teams_are_offered_once() -> None:
    found = [overview("a", owner="bob", team="shop"), overview("b", owner="Ann", team="shop"), overview("c")]
    assert owners(found) == ["Ann", "bob", "shop"]
