"""What people see of the story in a web browser, and what they do there, behind Airflow's own login.

Runs after the story: the store then has everything. Who approves its first release and watches its rollout is in
``onlooker.py``.
"""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, Frame

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store
from airflow_mlops.demo.stage import Stage
from airflow_mlops.demo.story import MODEL, Story
from tests.browser.airflow import OURS, Person, Theme
from tests.browser.axe import grave_faults
from tests.browser.chromium import Chromium
from tests.browser.pictures import take_picture
from tests.e2e.demo.onlooker import Onlooker, open_model
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(1800)]
ROLLBACK = f"{MODEL}.rollback"
#: Below ``/mlops/``, by the names of their pictures; the third version was refused.
PAGES = {
    "list": "",
    "model": f"models/{MODEL}",
    "live": f"models/{MODEL}/live",
    "versions": f"models/{MODEL}/versions",
    "compare": f"models/{MODEL}/compare?a=1&b=2",
    "version": f"models/{MODEL}/versions/4",
    "version-first": f"models/{MODEL}/versions/1",
    "version-refused": f"models/{MODEL}/versions/3",
    "lineage": f"models/{MODEL}/versions/4/lineage",
    "audit": f"models/{MODEL}/versions/4/audit",
}
#: Each kind of page is looked at in the dark too.
THEMES = {"light": tuple(PAGES), "dark": ("list", "model", "compare", "version")}
#: Pictures for the docs, and of which parts of the page of a model.
PICTURED = {"light": ("list", "version"), "dark": ("list",)}
PICTURED_PARTS = ("versions", "deployment-timeline", "drift")
PATHS = [f"{OURS}{path}" for path in PAGES.values()]
#: The label of the links to Airflow's forms.
ACTIONS = "What you can do"


@pytest.fixture(scope="module", autouse=True)
def told(story: Story, store: Store, browser: Chromium) -> None:
    """The story has been played."""
    if not DeploymentLog(store, MODEL).was_champion(2):
        pytest.skip("the story was not played: run the whole folder")


def visit(person: Person, frame: Frame, path: str) -> None:
    """Go to one of our pages in the frame, and wait until all of it is there."""
    answer = frame.goto(f"{person.url}{OURS}{path}")
    assert answer is not None
    assert answer.status == 200, path
    frame.wait_for_load_state("networkidle")


def test_a_release_was_approved_from_the_page(onlooker: Onlooker) -> None:
    assert onlooker.approved


def test_a_rollout_was_seen_to_move(onlooker: Onlooker) -> None:
    assert onlooker.watched is not None
    watched = onlooker.watched.result()
    during = [one for one in watched.seen if one.stage]
    assert len({one.stage for one in during}) >= 2, watched.seen
    assert len({one.split for one in during}) >= 2, watched.seen
    assert len(during) >= 3, watched.seen
    assert watched.troubles == []


@pytest.mark.parametrize("theme", THEMES)
def test_every_page_opens_and_can_be_used_by_everybody(
    browser: Chromium, onlooker: Onlooker, theme: Theme
) -> None:
    def look(opened: Browser) -> dict[str, list[str]]:
        with onlooker.log_in(opened, theme) as person:
            frame = person.open_models()
            faults = {}
            for name in THEMES[theme]:
                visit(person, frame, PAGES[name])
                faults[name] = grave_faults(frame)
                if name in PICTURED[theme]:
                    take_picture(person.page, f"models-{name}-{theme}")
                if (name, theme) == ("model", "light"):
                    for part in PICTURED_PARTS:
                        frame.locator(f"#{part}").evaluate("heading => heading.scrollIntoView()")
                        take_picture(person.page, f"models-{part}-{theme}")
            assert frame.evaluate("() => document.documentElement.dataset.theme") == theme
            faults["troubles"] = person.troubles
            return faults

    assert {name: found for name, found in browser.run(look).items() if found} == {}


def test_rolls_back_from_the_page(browser: Chromium, onlooker: Onlooker, stage: Stage, store: Store) -> None:
    log = DeploymentLog(store, MODEL)
    before = log.log.last_number()

    def roll_back(opened: Browser) -> None:
        with onlooker.log_in(opened) as person:
            frame = open_model(person.open_models())
            frame.get_by_role("list", name=ACTIONS).first.get_by_role("link", name="Roll back").click()
            person.page.wait_for_url(re.compile(rf"/dags/{re.escape(ROLLBACK)}"))
            person.trigger({"To version": 1}, {"Reason": "by hand, from the page"})

    browser.run(roll_back)
    wait_until(lambda: log.log.last_number() > before, 300, 0.3)
    newest = log.log.read(before + 1)
    assert (newest.action, newest.champion, newest.who) == ("rollback", 1, "admin")
    assert "by hand, from the page" in newest.why
    (run, *_) = stage.airflow.rest.runs(ROLLBACK)
    assert stage.airflow.rest.wait_for_run(ROLLBACK, run.run_id).state == "success"


def test_a_viewer_sees_everything_and_can_do_nothing(browser: Chromium, stage: Stage) -> None:
    airflow = stage.airflow

    def look(opened: Browser) -> tuple[int, int, int]:
        with Person.log_in(opened, airflow.url, "vic", airflow.password_of("vic")) as person:
            frame = open_model(person.open_models())
            frame.wait_for_load_state("networkidle")
            offered = frame.get_by_role("list", name=ACTIONS).count()
            tried = person.status(
                f"/api/v2/dags/{ROLLBACK}/dagRuns", "POST", {"conf": {}, "logical_date": None}
            )
            unknown = person.status(f"{OURS}models/nobody_knows_it")
            assert person.troubles == []
            return offered, tried, unknown

    assert browser.run(look) == (0, 403, 404)


def test_without_a_session_nothing_is_shown(stage: Stage) -> None:
    for path in [*PATHS, f"{OURS}static/page.css", f"{OURS}models/nobody_knows_it"]:
        answer = httpx.get(f"{stage.airflow.url}{path}", trust_env=False, timeout=60)
        assert answer.status_code == 401, path
        assert MODEL not in answer.text
