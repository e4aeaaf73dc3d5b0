"""The card as HTML and as Markdown: whole, safe, and the same every time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from airflow_mlops.core.card.annex import POINTS, checklist
from airflow_mlops.core.card.as_html import as_html
from airflow_mlops.core.card.as_markdown import as_markdown, escaped
from airflow_mlops.core.card.blocks import Table
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.store import Store
from tests.core.card.world import DATASET, MODEL, SAID, after, append, card, data, register, told
from tests.core.evaluation import whole
from tests.core.registry.world import MemoryStore
from tests.core.registry.world import register as register_bare

EVIL = "<script>alert('x')</script>|`a`\n[x](javascript:1) &amp; *b* _c_ \u202e"
VOID = {"meta", "link", "br", "hr", "img"}


class Balance(HTMLParser):
    """Whether each element is closed in its turn; the tags and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each Markdown table."""
    lines = [line if line.startswith("| ") else "" for line in text.splitlines()]
    runs = [run.splitlines() for run in re.split(r"\n\n+", "\n".join(lines)) if run.strip()]
    return [[re.split(r"(?<!\\)\|", line)[1:-1] for line in run] for run in runs]


def test_the_page_is_whole_needs_nothing_and_runs_nothing(lived: Store) -> None:
    page = as_html(card(lived))
    found = read(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert not re.search(r"(?:src|href)=.?(?!#)[\w/]*:?//", page)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 6, "calibration, importance, slices, groups, ageing, timeline"
    for one in pictures:
        ElementTree.fromstring(one)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    text = " ".join(found.words)
    for words in (*SAID.values(), "logistics@example.com", "bob said yes", "customers complain", "amount drifted",
                  "an environment from the lock", "asked to", "d1", "3 bad rows left out"):  # fmt: skip
        assert words in text, words


def test_markdown_says_the_same(lived: Store) -> None:
    text = as_markdown(card(lived))
    assert text.startswith("# Model card: orders version 2\n")
    assert "> **Rolled back** to version 1 on 2024-03-03 04:00 UTC by carol: customers complain" in text
    for words in (*SAID.values(), "bob said yes", "amount drifted", "an environment from the lock"):
        assert words in text, words
    found = tables(text)
    assert len(found) > 12
    assert all(len({len(row) for row in one}) == 1 for one in found)
    assert "<svg" not in text


def test_data_that_were_erased_since_say_so(lived: Store) -> None:
    from airflow_mlops.core.data.erasures import Erasure, Tombstone, erasure_log

    assert "erased since" not in as_markdown(card(lived)), "rows of the snapshot before it were erased"
    stone = Tombstone(dataset=DATASET, rows=2)
    append(
        erasure_log(lived, MODEL),
        Erasure(subject="8" * 64, state="done", tombstones=(stone,), who="dpo", why="asked to", at=after(70)),
    )
    assert "- **erased since**: 2 rows on 2024-03-04, by dpo" in as_markdown(card(lived))


def test_the_same_store_gives_the_same_bytes(lived: Store) -> None:
    assert as_html(card(lived)) == as_html(card(lived))
    assert as_markdown(card(lived)) == as_markdown(card(lived))
    then = as_html(card(lived, as_of=after(20)))
    register(lived, 3, after(100), told().to_dict(), whole.evaluation())
    assert as_html(card(lived, as_of=after(20))) == then


def test_what_nobody_said_or_measured_is_said(store: Store) -> None:
    register_bare(store)
    made = card(store, 1)
    missing = {part.key: part.missing for part in made.parts if part.missing}
    assert set(missing) == {
        "purpose", "users", "out_of_scope", "owner", "data", "data_tests", "slices", "fairness", "ageing", "limits",
        "risks", "oversight", "approvals", "monitoring", "reproduction",
    }  # fmt: skip
    assert made.complete == "6 of 21 sections"
    text = as_markdown(made)
    assert (
        "> **Not said: who can be harmed by a wrong answer.** To fill it: say card.risks in the spec." in text
    )
    assert (
        "> **Not measured: nobody asked which groups to compare.** To fill it: say evaluation.groups" in text
    )
    assert "It was never in the traffic" in text
    read(as_html(made))


def hostile(store: Store) -> None:
    data(store, EVIL)
    fields = {**told().to_dict(), "card": {**SAID, "purpose": EVIL}, "team": EVIL}
    found = whole.evaluation(name=EVIL)
    register(store, 1, after(1), {**fields, "training": {"params": {EVIL: EVIL}}}, found, created_by=EVIL)


def test_hostile_names_stay_text(store: Store) -> None:
    hostile(store)
    page, text = as_html(card(store, 1)), as_markdown(card(store, 1))
    found = read(page)
    assert "script" not in found.tags
    assert "alert('x')" in " ".join(found.words)
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(picture)
    assert "<script" not in text
    assert "\u202e" not in page + text
    assert not re.search(r"(?<!\\)\[x", text)
    assert all(len({len(row) for row in one}) == 1 for one in tables(text))


@pytest.mark.parametrize(
    "given,expected",
    [
        ("flight_delay is_late _x_", r"flight_delay is_late \_x\_"),
        ("a|b `c` *d* ~e~ #f !g [h] {i}", r"a\|b \`c\` \*d\* \~e\~ \#f \!g \[h\] \{i\}"),
        ("<b>&lt;", "&lt;b&gt;&amp;lt;"),
        ("see https://evil.example or www.evil.example", r"see https\://evil.example or www\.evil.example"),
        ("two\nlines", "two lines"),
    ],
)
def test_escaping_in_markdown(given: str, expected: str) -> None:
    assert escaped(given) == expected


def test_a_fence_is_longer_than_those_in_the_text(store: Store) -> None:
    from airflow_mlops.core.card.as_markdown import _fenced
    from airflow_mlops.core.card.blocks import Pre

    assert _fenced(Pre("a\n````\nb")) == ["`````text", "a", "````", "b", "`````"]


def test_huge_records_make_a_card_of_bounded_size(store: Store) -> None:
    found = whole.evaluation()
    many = tuple(SliceMetrics(slice=f"c={n}" * 100, rows=50, metrics={"auc": n / 5000}) for n in range(5000))
    gates = tuple(
        GateResult(gate=Gate(metric="auc", min=0.1, slice=f"c={n}"), outcome="pass", reason="x" * 5000)
        for n in range(500)
    )
    params = {f"p{n}": "v" * 5000 for n in range(500)}
    fields = {**told().to_dict(), "training": {"params": params}}
    register(store, 1, after(1), fields, found.model_copy(update={"slices": many, "gates": gates}))
    made = card(store, 1)
    rows = [len(block.rows) for part in made.parts for block in part.blocks if isinstance(block, Table)]
    assert max(rows) <= 50
    assert len(as_html(made)) < 400_000
    assert "(the first 50 of 5,000)" in as_markdown(made)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1e308, -1e308])
def test_numbers_beyond_any_scale(store: Store, odd: float) -> None:
    extremes = (
        SliceMetrics(slice="a=1", rows=50, metrics={"auc": odd}, intervals={"auc": (-1e308, 1e308)}),
        SliceMetrics(slice="a=2", rows=50, metrics={"auc": -odd}, champion={"auc": odd}),
    )
    found = Evaluation(rows=100, metrics={"auc": odd}, gates=whole.gates(), slices=extremes)
    register(store, 1, after(1), told().to_dict(), found)
    made = card(store, 1)
    read(as_html(made))
    assert "Slices" in as_markdown(made)


def test_spec_fields_of_any_shape(store: Store) -> None:
    fields: dict[str, Any] = {
        "card": ["no mapping"], "owner": 7, "data": "x", "monitoring": {"performance": {"gates": ["a", {"metric": 1}]}},
        "training": {"params": [1]}, "approval": {"when": 3}, "access": 5, "evaluation": None, "serving": [],
    }  # fmt: skip
    register(store, 1, after(1), fields, whole.evaluation())
    read(as_html(card(store, 1)))


def test_the_checklist_names_every_point_and_what_is_left(store: Store) -> None:
    assert {re.match(r"\d", one.number)[0] for one in POINTS} == set("123456789")  # type: ignore[index]
    register_bare(store)
    bare = {one.point.number: one for one in checklist(card(store, 1).parts)}
    assert (bare["5"].state, bare["5"].by) == ("not covered", ())
    assert "say card.risks" in bare["5"].left
    full_store = MemoryStore()
    hostile(full_store)
    full = {one.point.number: one for one in checklist(card(full_store, 1).parts)}
    assert full["1a"].state == full["2e"].state == full["3"].state == full["9"].state == "covered"
    assert full["5"].state == "partly", "a text is no risk management system"
    assert [number for number, one in full.items() if one.state == "not covered"] == ["1e", "1f", "7", "8"]
    sections = {part.key for part in card(full_store, 1).parts}
    assert all(set(one.sections) <= sections for one in POINTS)


def test_every_section_that_a_spec_can_require_is_on_the_card(lived: Store) -> None:
    from typing import get_args

    from airflow_mlops.spec.governance import CardSection

    assert set(get_args(CardSection)) <= {part.key for part in card(lived).parts}


def test_no_card_depends_on_the_clock() -> None:
    rooms = Path(__file__).parents[3] / "airflow_mlops" / "core" / "card"
    for path in sorted(rooms.rglob("*.py")):
        assert not re.search(r"utc_now|datetime\.now|time\.time", path.read_text()), path
