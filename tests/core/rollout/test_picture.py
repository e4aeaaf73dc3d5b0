import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.rollout.judge import decide, open_watch
from airflow_mlops.core.rollout.panel import HEIGHT, apart
from airflow_mlops.core.rollout.picture import draw
from airflow_mlops.core.rollout.trace import Point, Trace
from airflow_mlops.core.rollout.verdict import Verdict
from tests.core.rollout.traffic import START, canary, rollout

SVG = "{http://www.w3.org/2000/svg}"
ERRORS = Gate(metric="error_rate", margin=0.5)
PASSED, FAILED, OPEN = "M-3 0.2", "M-5 -5L5 5", "M0 -5.5L"


def result(gate=ERRORS, outcome="inconclusive", reason="because", samples=7):
    return GateResult(gate=gate, outcome=outcome, samples=samples, reason=reason)


def verdict(*gates, decision="CONTINUE", reason="not decided yet"):
    return Verdict(
        stage="canary", decision=decision, reason=reason, gates=gates, counts={"samples": 7}, alpha=0.05
    )


def trace(*curve, gates=1, limit=0.5):
    """Points of (seconds, interval, outcome), the same for all gates."""
    points = [Point(at, (7,) * gates, (interval,) * gates, (word,) * gates) for at, interval, word in curve]
    return Trace(tuple(("gate", limit) for _ in range(gates)), points)


def parsed(*arguments):
    return ElementTree.fromstring(draw(*arguments))


def words(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def marks(root):
    """Of the only panel: the shapes of the marks on its curve, with their places."""
    (panel,) = root.findall(f"{SVG}g[@transform]")[-1:]
    found = []
    for group in panel.findall(f"{SVG}g")[1:]:
        shape = "".join(path.get("d") for path in group.findall(f"{SVG}path"))
        name = next(name for name in (PASSED, FAILED, OPEN) if shape.startswith(name))
        found.append((name, group.get("transform")))
    return found


def test_coordinates_are_those_computed_by_hand():
    curve = trace((0.0, (-1.0, 1.0), "inconclusive"), (100.0, (0.0, 1.0), "inconclusive"))
    root = parsed(curve, verdict(result()), "t")
    # the newest interval and half of its length on both sides, as far as the band goes, and 6 % air: -0.59 to 1.09
    (polygon,) = root.iter(f"{SVG}polygon")
    assert polygon.get("points") == "0.0,7.0 680.0,7.0 680.0,84.3 0.0,161.7"
    plot = root.find(f".//{SVG}g/{SVG}svg")
    limits = [one for one in plot.findall(f"{SVG}line") if one.get("stroke-dasharray")]
    assert [(one.get("y1"), one.get("y2")) for one in limits] == [("45.7", "45.7")]
    shade = plot.find(f"{SVG}rect")
    assert (shade.get("y"), shade.get("height")) == ("45.7", "84.3")


def test_the_good_side_is_above_a_least_value():
    curve = trace((10.0, (0.0, 1.0), "inconclusive"))
    root = parsed(curve, verdict(result(Gate(metric="accuracy", min=0.5))), "t")
    shade = root.find(f".//{SVG}g/{SVG}svg/{SVG}rect")
    assert (shade.get("y"), shade.get("height")) == ("0.0", "65.0")


def test_it_says_what_was_decided_and_why():
    failed = result(outcome="fail", reason="failed: error_rate is 0.7, 0.5 is allowed", samples=1234)
    word = verdict(failed, decision="ROLLBACK", reason=failed.reason)
    root = parsed(trace((60.0, (0.6, 0.8), "fail")), word, "churn, version 4")
    said = words(root)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == said[0] == "churn, version 4"
    assert said[1] == "ROLLBACK in canary: 7 samples, alpha 0.05"
    for expected in ("failed: error_rate", "limit 0.5", "0.6", "0.8", "n = 1,234", failed.reason):
        assert expected in said
    # the reason stands in its panel, not in the head once more
    assert said.count(failed.reason) == 1
    description = root.find(f"{SVG}desc").text
    assert description.startswith(
        "ROLLBACK in canary. error_rate: failed, limit 0.5, last between 0.6 and 0.8"
    )


def test_what_the_gates_do_not_say_stands_in_the_head():
    gates = (result(reason="first: a; b"), result(reason="second"))
    word = verdict(
        *gates, reason="not decided yet: 3 of at least 9 samples; first: a; b; second; about 6 more"
    )
    assert "not decided yet: 3 of at least 9 samples; about 6 more" in words(
        parsed(trace(gates=2), word, "t")
    )


def test_changes_of_the_outcome_are_marked_on_the_bound_that_decided():
    curve = trace(
        (10.0, (0.0, 1.0), "inconclusive"),
        (20.0, (0.0, 0.25), "pass"),
        (30.0, (0.0, 0.75), "inconclusive"),
        (40.0, (0.75, 1.0), "fail"),
        (50.0, (0.8, 1.0), "fail"),
    )
    found = marks(parsed(curve, verdict(result(outcome="fail")), "t"))
    assert [name for name, _ in found] == [PASSED, OPEN, FAILED]
    x = [float(re.findall(r"[\d.]+", place)[0]) for _, place in found]
    assert x == [76 + 680 * part for part in (0.4, 0.6, 0.8)]
    # range: 0.5..1.0 with a quarter more on both sides, cut at 1.0, and air: 0.205 to 1.045
    y = [float(re.findall(r"[\d.]+", place)[1]) - 28 for _, place in found]
    assert y == pytest.approx([(1.045 - bound) / 0.84 * 130 for bound in (0.25, 0.75, 0.75)], abs=0.06)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "a\"b'c&d",
        "]]>",
        "x" * 5000,
        "\x00\x1b\ud800\ufffe",
        "\u202egnp.exe",
        "\n\n",
    ],
)
def test_hostile_names_are_shown_as_text(name):
    gate = Gate(metric="brier", margin=0.1, slice=f"carrier={name}")
    picture = draw(trace(), verdict(result(gate, reason=name), reason=name), name)
    root = ElementTree.fromstring(picture)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *(
            "svg",
            "title",
            "desc",
            "style",
            "rect",
            "line",
            "text",
            "g",
            "path",
            "circle",
            "polygon",
            "polyline",
        )
    }
    assert "\u202e" not in picture.decode()
    assert max(len(text or "") for text in words(root)) < 120


def test_nothing_comes_from_outside():
    picture = draw(trace((1.0, (0.0, 1.0), "pass")), verdict(result(outcome="pass")), "t").decode()
    assert re.findall(r"https?://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"url\(|@import|<script|href|\bid=", picture)


def test_a_dark_page_has_its_own_colours():
    style = parsed(trace(), verdict(result()), "t").find(f"{SVG}style").text
    assert "prefers-color-scheme:dark" in style
    used = set(re.findall(r'class="([^"]*)"', draw(trace(), verdict(result()), "t").decode()))
    for name in {name for names in used for name in names.split()}:
        assert f".{name}{{" in style


def test_the_same_evidence_gives_the_same_bytes():
    def made():
        gates = (
            ERRORS.model_copy(update={"margin": 0.02}),
            Gate(metric="latency", threshold=50, margin=0.05),
        )
        spec = rollout(*gates)
        watch = open_watch("canary", spec, "binary", 1, 2, START, weight=0.3)
        watch.feed(canary(900, champion_errors=0.01, challenger_errors=0.2), (), START.timestamp() + 2000)
        return watch.trace, decide(watch, spec, timedelta(hours=1))

    (first, said), (second, again) = made(), made()
    assert said.decision == "ROLLBACK"
    assert len(first.points) > 5
    assert draw(first, said, "t") == draw(second, again, "t")
    root = parsed(first, said, "t")
    assert len(list(root.iter(f"{SVG}polygon"))) == 2
    assert FAILED in [name for name, _ in marks(root)]


@pytest.mark.parametrize(
    "curve,seen",
    [
        ([], False),
        ([(5.0, None, "inconclusive")], False),
        ([(0.0, (0.0, 1.0), "inconclusive")], True),
        ([(-3.0, (0.5, 0.5), "pass"), (-5.0, (0.5, 0.5), "pass")], True),
        ([(1.0, None, "inconclusive"), (2.0, (0.1, 0.9), "pass"), (3.0, None, "inconclusive")], True),
        ([(1e9, (-1e300, 1e300), "inconclusive"), (2e9, (0.5 - 1e-12, 0.5 + 1e-12), "fail")], True),
        ([(1.0, (float("-inf"), float("nan")), "inconclusive")], False),
    ],
)
@pytest.mark.parametrize("gates", [1, 20])
def test_there_is_a_picture_of_whatever_was_seen(curve, seen, gates):
    picture = draw(trace(*curve, gates=gates), verdict(*[result()] * gates), "t")
    root = ElementTree.fromstring(picture)
    assert not re.search(r'["\s,]-?(nan|inf)["\s,]', picture.decode())
    assert len(root.findall(f".//{SVG}g/{SVG}svg")) == gates
    assert float(root.get("height")) >= gates * HEIGHT
    assert words(root).count("no observation yet") == (0 if seen else gates)


def test_no_gate_at_all():
    assert parsed(trace(gates=0), verdict(), "t").tag == f"{SVG}svg"


def test_words_beside_the_plot_do_not_overlap():
    assert apart([50.0, 51.0, 52.0], 13, 130) == [50.0, 63.0, 76.0]
    assert apart([-900.0, 900.0, 129.0], 13, 130) == [0.0, 130.0, 117.0]
