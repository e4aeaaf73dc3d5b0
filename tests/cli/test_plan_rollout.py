"""``airflow-mlops plan-rollout``: what it prints of a store, and how it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from airflow_mlops.cli.main import main
from airflow_mlops.core.store import open_store
from airflow_mlops.spec import ModelSpec
from tests.core.rollout.planning import Traffic, canary, captured, champion, shadow

ERRORS = {"metric": "error_rate", "margin": 0.05}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a champion and fifty minutes of its traffic."""
    folder = str(tmp_path_factory.mktemp("store"))
    captured(open_store(folder), Traffic())
    return folder


def written(folder: Path, spec: ModelSpec) -> str:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec.to_dict()))
    return str(path)


def test_it_prints_a_table_and_the_time_of_the_whole(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = written(tmp_path, canary(ERRORS, {"metric": "brier", "margin": 0.05}))
    assert main(["plan-rollout", spec, "--store", store, "--runs", "40", "--detect", "error_rate=0.2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(
        "orders: planned with 3,000 answers of version 1, 1 requests/s; median and (90 %) of 40 runs"
    )
    assert "100% of the rows get a label, after 10 min (10 min)" in out
    spread = r"[\d,]+ \([\d,]+\)"
    time = r"[\d.]+ (s|min|h) \([\d.]+ (s|min|h)\)"
    rows = rf"canary 0.3  error_rate, margin 0.05  0.2 worse than [\d.]+: fails +{spread} +{spread} +{time}\n"
    assert re.search(rows, out)
    assert re.search(rf"\n +brier, margin 0.05 +0.1 worse than [\d.]+: fails +{spread}", out)
    assert re.search(rf"\n +all +as good: fits +{spread}", out)
    last = out.splitlines()[-1]
    assert re.fullmatch(
        r"a challenger that is as good .* passes the whole rollout in [\d.]+ min \(90 %: .*\)", last
    )
    assert not [line for line in out.splitlines() if line.startswith("!")]


def test_gates_on_the_machine_are_named_but_not_planned(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = (ERRORS, {"metric": "memory", "max": 80})
    assert main(["plan-rollout", written(tmp_path, canary(*gates)), "--store", store, "--runs", "20"]) == 0
    out = capsys.readouterr().out
    assert "memory, max 80" in out
    assert "not planned: about the machine, not requests" in out
    assert "passes the whole rollout" in out
    assert not [line for line in out.splitlines() if line.startswith("!")]


def test_what_does_not_fit_is_marked(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = written(tmp_path, canary({**ERRORS, "margin": 0.01}, max_duration="10m"))
    assert main(["plan-rollout", spec, "--store", store, "--runs", "20"]) == 0
    out = capsys.readouterr().out
    assert "as good: DOES NOT FIT" in out
    assert re.search(
        r"^! canary 0.3, error_rate, margin 0.01: needs .* raise the margin to about", out, re.MULTILINE
    )
    assert out.rstrip().endswith("not all stages fit")


def test_it_prints_the_plan_as_json(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = written(tmp_path, shadow(ERRORS))
    arguments = ["plan-rollout", spec, "--store", store, "--runs", "20", "--json"]
    assert main(arguments) == 0
    plan = json.loads(capsys.readouterr().out)
    (stage,) = plan["stages"]
    assert stage["gates"][0]["stopped"]["requests"]["median"] > 0
    assert plan["seconds"]["most"] >= plan["seconds"]["median"] == stage["passed"]["seconds"]["median"]


@pytest.mark.parametrize(
    "more,words",
    [
        (["--detect", "brier=0.1"], "given brier; expected one of error_rate"),
        (["--detect", "error_rate"], "--detect; given error_rate; expected GATE=CHANGE"),
        (["--detect", "error_rate=much"], "--detect; given error_rate=much"),
        (["--detect", "error_rate=-1"], "expected a number above 0"),
        (["--detect", "error_rate=5"], "no challenger can be that much worse"),
        (["--window", "yesterday"], "--window; given yesterday; expected a duration"),
        (["--window", "1s"], "too little captured traffic of version 1 of orders"),
        (["--runs", "0"], "runs and seed"),
    ],
)
def test_a_mistake_is_one_line(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    spec = written(tmp_path, shadow(ERRORS))
    assert main(["plan-rollout", spec, "--store", store, *more]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_a_model_without_a_champion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = written(tmp_path, shadow(ERRORS))
    assert main(["plan-rollout", spec, "--store", str(tmp_path / "store")]) == 2
    assert "orders has no champion to plan with; release a first version" in capsys.readouterr().err


def test_a_champion_without_traffic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    champion(open_store(str(tmp_path / "store")))
    spec = written(tmp_path, shadow(ERRORS))
    assert main(["plan-rollout", spec, "--store", str(tmp_path / "store")]) == 2
    assert "given 0 answers in the last 24 h; expected at least 30" in capsys.readouterr().err


def test_progress_is_a_line_that_goes_away(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    spec = written(tmp_path, shadow(ERRORS))
    assert main(["plan-rollout", spec, "--store", store, "--runs", "5"]) == 0
    err = capsys.readouterr().err
    assert "\r\x1b[Kshadow: error_rate" in err
    assert err.endswith("\r\x1b[K")
    assert "\n" not in err
