import importlib.util
import json
import math
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "benchmarks" / "reporting.py"


@pytest.fixture
def reporting(monkeypatch):
    import sys

    spec = importlib.util.spec_from_file_location("benchmark_reporting", SOURCE)
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by its name
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_measures_are_printed_and_written(reporting, tmp_path, capsys):
    def measures(quick):
        assert quick
        yield reporting.Measure("ratio", 1.25, limit=1.5, note="of 3 runs")
        yield reporting.Measure("speed-up", 10.0, limit=30.0, better="higher")
        yield reporting.Measure("broken", math.nan, limit=1.0)
        yield reporting.Measure("shown only", 7.0, unit="s")

    target = tmp_path / "new" / "out.json"
    assert reporting.report("what", measures, ["--quick", "--json", str(target)]) == 0
    assert json.loads(target.read_text()) == [
        {"name": "ratio", "value": 1.25, "limit": 1.5, "better": "lower", "holds": True},
        {"name": "speed-up", "value": 10.0, "limit": 30.0, "better": "higher", "holds": False},
        {"name": "broken", "value": None, "limit": 1.0, "better": "lower", "holds": False},
        {"name": "shown only", "value": 7.0, "limit": None, "better": "lower", "holds": True},
    ]
    printed = capsys.readouterr().out
    assert "of 3 runs" in printed
    assert printed.count("NO") == 2


@pytest.mark.parametrize("value,code", [(1.0, 0), (2.0, 1)])
def test_check_fails_when_a_limit_is_missed(reporting, value, code):
    measures = [reporting.Measure("ratio", value, limit=1.5)]
    assert reporting.report("what", lambda _: measures, ["--check"]) == code
    assert reporting.report("what", lambda _: measures, []) == 0


def test_never_may_be_shown_but_reaches_no_limit(reporting):
    assert reporting.report("what", lambda _: [reporting.Measure("shown", math.inf)], ["--check"]) == 0
    assert (
        reporting.report("what", lambda _: [reporting.Measure("limited", math.inf, limit=1.0)], ["--check"])
        == 1
    )
    assert reporting.report("what", lambda _: [reporting.Measure("broken", math.nan)], ["--check"]) == 1


@pytest.mark.parametrize(
    "hits,runs,interval",
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_interval_of_a_share_is_wilsons(reporting, hits, runs, interval):
    assert reporting.share_interval(hits, runs) == pytest.approx(interval, abs=1e-4)
