import pytest

from airflow_mlops.core.drawing import html, svg
from airflow_mlops.core.wording import plain
from tests.core.drawing.elements import HOSTILE, Elements


@pytest.mark.parametrize("words", HOSTILE)
def test_text_is_shown_and_never_markup(words):
    parts = [
        html.tag("p", words, title=words),
        html.table(words, (words, words), [(words, words), (words, html.cell(words, words))]),
        html.listing([(words, words)]),
        html.section(words, words),
        html.figure(svg.document(10, 10, words, words, [], alone=False), words),
    ]
    found = Elements(html.page(words, *parts))
    assert {tag for tag, _ in found.seen} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "p",
            "div",
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
        ),
        *("th", "td", "dl", "dt", "dd", "section", "h2", "figure", "figcaption", "svg", "desc", "rect"),
    }
    assert found.words.count(plain(words)) >= 12
    assert "\u202e" not in found.words
    assert {key for _, attributes in found.seen for key in attributes}.isdisjoint(
        {"onload", "onclick", "style"}
    )


def test_nothing_may_come_from_outside():
    found = Elements(html.page("t", "words"))
    policy = next(one for tag, one in found.seen if tag == "meta" and "http-equiv" in one)
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert str(policy["content"]).startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_numbers_are_aligned_in_head_and_body():
    found = Elements(
        html.table("c", ("name", "rows", "loss"), [("a", "1", html.cell("2", "n worse"))], numbers=2)
    )
    looks = [(tag, one.get("class")) for tag, one in found.seen if tag in ("th", "td")]
    assert looks == [("th", None), ("th", "n"), ("th", "n"), ("th", None), ("td", "n"), ("td", "n worse")]
    assert [one["scope"] for tag, one in found.seen if tag == "th"] == ["col"] * 3 + ["row"]


def test_contents_lead_to_the_sections():
    headings = ["Weak slices", "Ageing"]
    found = Elements(html.page("t", html.contents(headings), *(html.section(one) for one in headings)))
    links = [one["href"] for tag, one in found.seen if tag == "a"]
    assert links == [f"#{one['id']}" for tag, one in found.seen if tag == "h2"] == ["#weak-slices", "#ageing"]
