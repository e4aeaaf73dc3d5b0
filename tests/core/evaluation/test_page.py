"""The report: what stands in it, that it stands alone, and that names can't break it."""

from __future__ import annotations

import re

import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.analysis import Ageing, Calibration, Importance
from airflow_mlops.core.evaluation.page import render
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from tests.core.drawing.elements import HOSTILE, Elements
from tests.core.evaluation.whole import UNTIL, ageing, evaluation, fairness, search
from tests.core.training.world import spec_of

SECTIONS = [
    *(
        "Gates",
        "Metrics",
        "Slices",
        "Weak slices",
        "Fairness",
        "Calibration",
        "Importance",
        "Costs",
        "Ageing",
    ),
    *("Efficiency", "Provenance"),
]


def words_of(page: str) -> str:
    return Elements(page).words


def headings(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", page)


def test_everything_that_the_record_has_stands_in_the_page() -> None:
    page = render(evaluation(), title="orders: June")
    assert headings(page) == SECTIONS
    assert page.count('role="img"') == 7
    words = words_of(page)
    for expected in (
        *(
            "Passed.",
            "All 2 gates passed on 26,000 held-out rows.",
            "champion, version 7",
            "0.0040 to 0.0160",
        ),
        *("+0.01 better", "+0.01 worse", "same", "{metric: log_loss, margin: 0.01, slice: 'carrier=UA'}"),
        *("431 slices", "Demographic parity difference 0.04", "17 rows of groups", "champion's 0.02"),
        *("212,000", "chosen on the train part", "log_loss got worse after 61 days", "148,000", "ab" * 32),
    ):
        assert expected in words, expected


def test_the_verdict_comes_first_also_when_it_is_a_refusal() -> None:
    page = render(evaluation(refused=True), title="t")
    assert '<p class="verdict fail">' in page
    words = words_of(page[page.index("<header>") : page.index("</body>")])
    assert words.startswith(
        "tRefused.\n1 of 2 gates refuse: log_loss 0.46 is 0.01 worse than 0.45 of version 7"
    )
    assert words.index("Refused.") < words.index("Gates")


def test_what_the_record_does_not_have_is_absent() -> None:
    page = render(Evaluation(rows=0, metrics={}), title="t")
    assert headings(page) == ["Provenance"]
    assert "No gate was evaluated" in words_of(page)
    alone = Evaluation(
        rows=10, metrics={"auc": 0.5}, slices=(SliceMetrics(slice="a=1", rows=60, metrics={"auc": 0.6}),)
    )
    assert "there is no champion" in words_of(render(alone, title="t"))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_the_data_are_shown_as_text(name: str) -> None:
    page = render(evaluation(name=f"carrier={name}"), title=name, spec=spec_of(description=name), run=name)
    found = Elements(page)
    tags = {tag for tag, _ in found.seen}
    assert tags.isdisjoint({"script", "img", "iframe", "link", "object"})
    plain = Elements(render(evaluation(), title="t", spec=spec_of(description="d"), run="r"))
    assert [tag for tag, _ in found.seen if tag != "tspan"] == [tag for tag, _ in plain.seen]


def test_the_page_needs_nothing_from_outside() -> None:
    page = render(evaluation(), title="t", spec=spec_of())
    assert set(re.findall(r"https?://[^\"'\s<]*", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|<script|<link|<img|src=|javascript:|\son\w+=", page)
    assert all(one.startswith("#") for one in re.findall(r'href="([^"]*)"', page))
    assert len(page.encode()) < 100_000


def test_pictures_and_tables_are_told_to_who_cannot_see_them() -> None:
    found = Elements(render(evaluation(), title="t"))
    tags = [tag for tag, _ in found.seen]
    assert tags.count("svg") == tags.count("desc") == tags.count("figure")
    assert tags.count("table") == tags.count("caption")
    regions = [one for tag, one in found.seen if one.get("role") == "region"]
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in regions)
    assert ("html", {"lang": "en"}) in found.seen


def test_the_same_record_gives_the_same_page() -> None:
    assert render(evaluation(), title="t") == render(
        Evaluation.from_bytes(evaluation().to_bytes()), title="t"
    )


def test_provenance_names_the_bytes(version: DatasetVersion) -> None:
    page = render(evaluation(), title="t", spec=spec_of(), dataset=version, run="orders.release/r1")
    words = words_of(page)
    for expected in (
        f"orders@{version.id}",
        "3,000 in 1 files",
        "orders.release/r1",
        "amount, country, express",
    ):
        assert expected in words


def test_very_many_names_stay_a_page() -> None:
    many = [f"carrier={number} {'x' * 300}" for number in range(500)]
    base = evaluation()
    slices = tuple(base.slices[0].model_copy(update={"slice": name}) for name in many)
    record = base.model_copy(
        update={
            "slices": slices,
            "search": search(*many[:100]),
            "fairness": (fairness(*many),),
            "importance": Importance(
                features=tuple(base.importance.features[0].model_copy(update={"feature": n}) for n in many)
                if base.importance
                else (),
                rows=1,
            ),
        }
    )
    page = render(record, title="t")
    assert len(page.encode()) < 500_000
    assert "300 more are in the record" in words_of(page)


@pytest.mark.parametrize(
    "record",
    [
        ageing(interval=None),
        ageing().model_copy(update={"points": ageing().points[:1]}),
        Ageing(
            metric="auc",
            trained_until=UNTIL,
            train_rows=0,
            points=(),
            tolerance=0.02,
            interval_days=None,
            reason="too short",
        ),
    ],
)
def test_ageing_of_few_points(record: Ageing) -> None:
    page = render(Evaluation(rows=1, metrics={}, ageing=record), title="t")
    assert record.reason in words_of(page)
    assert page.count("<svg") == (2 if record.points else 0)


def test_a_model_that_scores_all_rows_alike_has_a_calibration() -> None:
    base = evaluation().calibration
    assert base is not None
    record = Evaluation(rows=1, metrics={}, calibration=Calibration(bins=base.bins[:1], error=0.0))
    assert not re.search(r'["\s,-](nan|inf)["\s,]', render(record, title="t"))
