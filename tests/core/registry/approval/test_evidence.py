"""What people see: all that is known, as text, and never longer than a database holds."""

from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from airflow_mlops.core.evaluation.report import SliceMetrics
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.registry.approval.evidence import LONGEST, evidence
from airflow_mlops.core.registry.approval.markdown import code, limited, text
from airflow_mlops.core.validation.result import ExpectationResult
from tests.core.registry import world
from tests.core.registry.approval.cases import case, data, validation

HOSTILE = (
    "<img src=x onerror=alert(1)> [a](https://evil.example) | `code` **b** www.evil.example a@evil.example"
)


def html(body: str) -> str:
    """As a reader of GitHub-flavoured Markdown shows it, raw HTML kept: nothing may come through."""
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(body))


def shown(given: Any, **fields: Any) -> str:
    return evidence(given, ["a reason"], **{"people": 1, "timeout": "1d", **fields})


def test_it_says_what_is_asked_and_what_was_found() -> None:
    gate = GateResult(
        gate=Gate(metric="auc", min=0.6), outcome="pass", value=0.8, limit=0.6, reason="0.8 is at least 0.6"
    )
    warned = ExpectationResult(
        type="between", column="amount", severity="warn", success=False, reason="3 of 9"
    )
    slices = (
        SliceMetrics(slice="carrier=UA", rows=90, metrics={"auc": 0.7}, champion={"auc": 0.75}),
        SliceMetrics(slice="carrier=AA", rows=900, metrics={"auc": 0.9}, champion={"auc": 0.8}),
    )
    given = case(
        champion={"auc": 0.81},
        champion_version=1,
        gates=(gate,),
        slices=slices,
        page="b" * 64,
        validation=validation(warned),
        spec=world.spec(owner="ann", team="delays", contact="#delays", description="late orders"),
        data=data("d2", {"amount": "double", "route": "string"}, rows=2000),
        data_before=data("d1"),
    )
    body = shown(given, people=2)
    for line in (
        "**May version 2 of orders meet live requests?**",
        "- **Reject**: the release ends, version 1 keeps serving.",
        "No answer within 1d is a no.",
        "Two people must approve",
        "- a reason",
        "`airflow-mlops version report orders 2 --store file:///store --out report.html`",
        f"`file:///store/blobs/bb/{'b' * 64}`",
        "| Owner | ann, delays, \\#delays |",
        "| auc | 0.8 | at least 0.6 | pass | 0.8 is at least 0.6 |",
        "| auc | 0.8 | 0.81 | **worse** |",
        "| Rows | 2,000 | 1,000 |",
        "- New columns: route",
        "`airflow-mlops data diff orders d1 d2 --store file:///store`",
        "- between on amount (warn): 3 of 9",
    ):
        assert line in body, line
    assert body.index("carrier=UA") < body.index("carrier=AA")  # the one that is worse first


def test_a_first_version_has_nothing_to_be_compared_with() -> None:
    body = shown(case(champion=None))
    assert "the release ends, nothing serves" in body
    assert "| auc | 0.8 |" in body
    assert "Champion" not in body


def test_a_missing_comparison_is_said() -> None:
    assert "Not compared with the champion, version 1." in shown(case())


def test_hostile_text_is_text() -> None:
    spec = world.spec(description=HOSTILE, owner=HOSTILE)
    warned = ExpectationResult(type=HOSTILE, column=None, severity="warn", success=False, reason=HOSTILE)
    one = SliceMetrics(slice=HOSTILE, rows=1, metrics={"auc": 0.1})
    given = case(champion=None, spec=spec, validation=validation(warned, reason=HOSTILE), slices=(one,))
    page = html(evidence(given, [HOSTILE, f"- {HOSTILE}", f"1. {HOSTILE}"], people=1, timeout="1d"))
    assert "<img" not in page
    assert "<a " not in page
    assert "<strong>b</strong>" not in page
    assert "<code>code" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; [a](" in page
    assert page.count("<ol>") == 0
    # What GFM makes a link by itself is broken by a sign without width.
    assert not any(link in page for link in ("https://evil", "www.evil", "a@evil"))


@pytest.mark.parametrize(
    "given",
    [
        "plain",
        "- x",
        "1. x",
        "1) x",
        "+ x",
        "= x",
        "# x",
        "a | b",
        "back\\slash",
        "> x",
        "a\nb",
        "2013",
        "0.8 is",
        "-0.5",
        "---",
        "- - -",
        "===",
        "1.",
    ],
)
def test_text_shows_what_it_was_given(given: str) -> None:
    line = " ".join(given.split())
    page = html(f"- {text(given)}")
    assert page.replace("&gt;", ">") == f"<ul>\n<li>{line}</li>\n</ul>\n"


@pytest.mark.parametrize("given", ["plain", "a ` b", "``", "`", "", "a\\", "<b>"])
def test_code_shows_what_it_was_given(given: str) -> None:
    shown = given.replace("<", "&lt;").replace(">", "&gt;")
    assert html(code(given)) == f"<p><code>{shown or '  '}</code></p>\n"


def test_it_is_never_longer_than_a_database_holds() -> None:
    failed = [
        ExpectationResult(
            type=f"e{number}", column="é" * 250, severity="warn", success=False, reason="ü" * 300
        )
        for number in range(50)
    ]
    slices = tuple(SliceMetrics(slice="ß" * 300, rows=1, metrics={"auc": 0.1}) for _ in range(50))
    body = shown(case(champion=None, validation=validation(*failed), slices=slices))
    assert LONGEST - 2000 < len(body.encode()) <= LONGEST
    assert body.endswith("*Shortened to 20,000 bytes: the report has the rest.*\n")
    assert limited("short\n", 100, "note") == "short\n"
