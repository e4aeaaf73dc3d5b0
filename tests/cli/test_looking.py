"""``status``, ``models``, ``datasets``, ``rollout`` and ``compare``: what they print, as text and as JSON."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.cli import screen
from airflow_mlops.cli.main import main
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.overview import ModelOverview
from airflow_mlops.core.overview.comparison import Comparison
from airflow_mlops.core.overview.going_on import RolloutGoingOn
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.rollout.progress import GateNow, StageNow, progress_log
from airflow_mlops.core.store import Store, open_store
from tests.core.lineage.graph.world import deploy, orders, put_dataset, put_pin, put_version

#: Markup of rich, an escape sequence, a line break, and text that runs backwards.
HOSTILE = "[bold red]x[/] \x1b[31mred\x1b[0m\nnext :smile: \u202eback <b>"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no record has to outlive the machine
    store = open_store(str(tmp_path / "store"))
    orders(store)
    return store


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str, code: int = 0, store: str = "store") -> str:
        assert main([*arguments, "--store", str(tmp_path / store)]) == code
        said = capsys.readouterr()
        return said.err if code == 2 else said.out

    return run


@pytest.fixture
def one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes while the command waits for its second look."""

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(screen.time, "sleep", interrupted)


def roll_out(store: Store, looks: int = 20, **fields: Any) -> None:
    """A canary of orders in progress, and the judge's looks at it."""
    now = utc_now()
    place: dict[str, Any] = {
        "challenger": 3,
        "weight": 0.2,
        "run": "r3",
        "lease_until": now + timedelta(hours=2),
    }
    action = fields.pop("action", "canary")
    number = deploy(store, "orders", action, 2, now - timedelta(minutes=30), **{**place, **fields})
    log = progress_log(store, "orders", number)
    for place_ in range(looks):
        wide = 0.5 / (place_ + 1)
        gates = (
            GateNow(
                name="error_rate",
                outcome="inconclusive",
                value=0.0,
                low=-wide,
                high=wide,
                limit=0.01,
                said="",
            ),
            GateNow(name="memory", outcome="pass", value=60.0, low=None, high=None, limit=80.0, said=""),
        )
        log.append(
            StageNow(
                at=now - timedelta(minutes=looks - place_), stage="canary", version=3, decision="CONTINUE",
                reason="more", samples=100 * (place_ + 1), needed=1000, gates=gates,
            ),
            after=place_,
        )  # fmt: skip


# --- status and models ---


def test_status_of_all_models(store: Store, run: Any) -> None:
    lines = run("status").splitlines()
    assert lines[0].split() == ["model", "champion", "since", "rollout", "health", "last", "release"]
    (line,) = (one for one in lines if one.startswith("orders"))
    assert "version 2" in line
    assert "unknown: " in line
    assert lines[-1].startswith("2 models, ")
    assert "airflow-mlops status clicks --store" in lines[-1]


def test_status_of_one_model(store: Store, run: Any) -> None:
    text = run("status", "orders")
    assert text.startswith("orders: ")
    assert "version 2 since 2024-01-15 00:00, of 3 versions" in text
    for name in ("drift", "performance", "freshness", "fallback", "endpoint"):
        assert name in text
    assert text.splitlines()[-1].startswith("what happened: airflow-mlops story orders --store")


def test_status_as_json(store: Store, run: Any) -> None:
    found = [ModelOverview(**one) for one in json.loads(run("status", "--json"))]
    assert [(one.model, one.champion) for one in found] == [("clicks", None), ("orders", 2)]
    assert ModelOverview(**json.loads(run("status", "orders", "--json"))) == found[1]


def test_models(store: Store, run: Any) -> None:
    assert run("models").splitlines()[-1].startswith("2 models; ")
    (clicks, found) = json.loads(run("models", "--json"))
    assert (found["model"], found["versions"], found["champion"]) == ("orders", 3, 2)
    assert clicks["champion"] is None
    assert found.keys() == {"model", "description", "owner", "team", "contact", "versions", "champion"}


@pytest.mark.usefixtures("one_turn")
@pytest.mark.parametrize("arguments", [("status",), ("status", "orders"), ("rollout", "orders")])
def test_watch_goes_on_until_ctrl_c(store: Store, run: Any, arguments: tuple[str, ...]) -> None:
    assert "orders" in run(*arguments, "--watch", code=130)
    told = run(*arguments, "--watch", "--json", code=130)
    assert told.count("\n") == 1  # one line for each look
    json.loads(told)


@pytest.mark.usefixtures("one_turn")
def test_watch_in_a_terminal(store: Store, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert "orders" in run("status", "--watch", code=130)


def test_watch_outlives_a_store_that_is_away(
    store: Store,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    from airflow_mlops.core import overview

    turns: list[float] = []

    def away(*arguments: Any, **options: Any) -> Any:
        raise StoreError("no connection")

    def wait(seconds: float) -> None:
        turns.append(seconds)
        if len(turns) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(overview, "overviews", away)
    monkeypatch.setattr(screen.time, "sleep", wait)
    assert main(["status", "--watch", "--every", "9", "--store", str(tmp_path / "store")]) == 130
    assert turns == [9.0, 9.0, 9.0]
    assert capsys.readouterr().err.count("looks again: no connection") == 3


# --- data sets ---


def test_all_data_sets(store: Store, run: Any) -> None:
    assert "data sets; versions of one: airflow-mlops datasets clicks" in run("datasets")
    clicks, found = json.loads(run("datasets", "--json"))
    assert (clicks["name"], clicks["versions"], clicks["used_by"]) == ("clicks", 1, ["clicks"])
    assert (found["name"], found["versions"], found["newest"], found["used_by"]) == (
        *("orders", 4),
        *("cc44", ["orders"]),
    )


def test_the_versions_of_one(store: Store, run: Any) -> None:
    put_pin(store, "orders", "ee66", "gold/1.parquet")
    text = run("datasets", "orders")
    assert "review of ab22" in text
    assert "not read yet" in text
    assert "airflow-mlops data show orders cc44" in text
    found = {one["id"]: one for one in json.loads(run("datasets", "orders", "--json"))}
    assert {name: one["used_by"] for name, one in found.items()} == {
        "aa11": ["orders:1"],
        "ab22": [],
        "bb33": ["orders:2"],
        "cc44": ["orders:3"],
        "ee66": [],
    }
    assert (found["aa11"]["rows"], found["aa11"]["files"], found["ee66"]["rows"]) == (20, 2, None)


# --- a rollout ---


def test_a_rollout_goes_on(store: Store, run: Any) -> None:
    roll_out(store)
    text = run("rollout", "orders")
    assert text.startswith("orders: version 3 in canary\nversion 2 80 % ")
    assert "20 % version 3" in text
    assert "CONTINUE with 2,000 samples" in text
    assert "decision expected: after about 1,000 more samples, in about " in text
    assert "error_rate: inconclusive, 0, at least -0.025 and at most 0.025; limit 0.01" in text
    assert "memory: pass, 60, not known yet; limit 80" in text
    scales = [line.split()[-1] for line in text.splitlines() if "│" in line]
    assert len(scales) == 6
    assert {len(one) for one in scales} == {40}
    filled = [one.count("━") for one in scales]
    assert filled == sorted(filled, reverse=True)  # the interval gets narrower
    found = RolloutGoingOn(**json.loads(run("rollout", "orders", "--json")))
    assert len(found.looks) == 20
    assert found.expected is not None
    assert "canary 20 %" in run("status")


def test_a_shadow_without_a_look(store: Store, run: Any) -> None:
    roll_out(store, looks=0, action="shadow", weight=0.0)
    text = run("rollout", "orders")
    assert "version 2 answers all requests; version 3 gets a copy" in text
    assert "decision expected: unknown before the judge's first look" in text
    assert "the judge has not looked yet" in text


def test_a_held_rollout_has_no_expected_end(store: Store, run: Any) -> None:
    roll_out(store, held=True)
    assert "held until somebody resumes or aborts it" in run("rollout", "orders")
    assert json.loads(run("rollout", "orders", "--json"))["expected"] is None


def test_no_rollout(store: Store, run: Any) -> None:
    assert "no rollout, and none before" in run("rollout", "clicks")
    assert json.loads(run("rollout", "clicks", "--json"))["rollout"] is None


# --- two versions ---


def test_two_versions(store: Store, run: Any) -> None:
    text = run("compare", "orders:1", "orders:3")
    assert text == run("compare", "orders", "v1", "v3") == run("compare", "orders", "1", "3")
    for section in ("metrics", "gates", "data", "spec", "environment"):
        assert section in text.splitlines()
    assert "-10 rows; 1 file new, 2 gone, 0 kept" in text
    assert "airflow-mlops data diff orders aa11 cc44 --store" in text
    found = Comparison(**json.loads(run("compare", "orders:1", "orders:3", "--json")))
    assert (found.a.cited, found.b.cited) == ("orders:1", "orders:3")
    assert found.data is not None
    assert (found.data.files_new, found.data.files_gone) == (1, 2)


# --- mistakes ---


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("status", "nobody"), "expected one of clicks, orders"),
        (("rollout", HOSTILE), "knows nothing of this model"),
        (("datasets", "nobody"), "there is no version of data set nobody"),
        (("compare", "orders:1"), "not two model versions"),
        (("compare", "orders", "v1"), "not a model version"),
        (("compare", "orders:1", "orders:2", "orders:3"), "not two model versions"),
        (("compare", "orders:1", "orders:9"), "orders has no version 9"),
        (("compare", "orders", "v1", "vx"), "not a model version"),
    ],
)
def test_a_mistake_is_one_line(store: Store, run: Any, arguments: tuple[str, ...], says: str) -> None:
    told = run(*arguments, code=2)
    assert told.startswith("error: ")
    assert says in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "models", "datasets"])
def test_a_store_without_anything(run: Any, tmp_path: Path, command: str) -> None:
    assert "no store there" in run(command, code=2)
    assert not (tmp_path / "store").exists()  # looking makes nothing
    (tmp_path / "store").mkdir()
    assert " yet: the first " in run(command)
    assert json.loads(run(command, "--json")) == []


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "often", "1e9"])
def test_no_number_of_seconds(tmp_path: Path, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["status", "--watch", f"--every={seconds}", "--store", str(tmp_path)])
    assert "is no number of seconds" in capsys.readouterr().err


# --- what comes from data ---


def test_hostile_text_is_text(store: Store, run: Any) -> None:
    data = put_dataset(store, "bad", "ff77", "x.parquet")
    for _ in range(2):
        put_version(store, "bad", data, spec={"description": HOSTILE, "owner": HOSTILE}, created_by=HOSTILE)
    deploy(store, "bad", "fallback", 1, utc_now(), why=HOSTILE, who=HOSTILE)
    for arguments in (
        ("status",),
        ("status", "bad"),
        ("models",),
        ("datasets", "bad"),
        ("rollout", "bad"),
        ("compare", "bad:1", "bad:2"),
    ):
        text = run(*arguments)
        assert not set("\x1b\u202e") & set(text)
    for arguments in (("status", "bad"), ("models",), ("compare", "bad:1", "bad:2")):
        assert "[bold red]x[/]" in run(*arguments)


def test_huge_records_are_cut(store: Store, run: Any) -> None:
    data = put_dataset(store, "big", "ff77", "x.parquet")
    put_version(store, "big", data, spec={f"field_{n}": "x" * 1000 for n in range(1000)})
    put_version(store, "big", data, spec={"description": "y" * 100_000, "owner": "z" * 100_000})
    for arguments in (("status", "big"), ("models",), ("compare", "big:1", "big:2")):
        assert len(run(*arguments)) < 30_000
    assert "more: --json" in run("compare", "big:1", "big:2")


def test_damaged_records_are_named(store: Store, run: Any, tmp_path: Path) -> None:
    roll_out(store)
    models = tmp_path / "store" / "models" / "orders"
    newest = max((models / "versions").glob("*.json"))
    newest.write_bytes(b"\xff\x00")
    look = min((models / "progress").rglob("*.json"))
    look.write_bytes(b"[]")
    (tmp_path / "store" / "datasets" / "orders" / "cc44.json").write_bytes(b"{")
    for arguments in (("status",), ("status", "orders"), ("models",), ("rollout", "orders"), ("datasets",)):
        assert "can't be read: " in run(*arguments)
    assert "looks at the stage" in run("rollout", "orders")
    assert "error: " in run("datasets", "orders", code=2)
    assert "error: " in run("compare", "orders:1", "orders:3", code=2)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_looking_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    place = tmp_path / "none"
    assert main(["status", "--store", form.format(place)]) == 2
    assert "no store there" in capsys.readouterr().err
    assert not place.exists()
