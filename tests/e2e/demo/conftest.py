"""Airflow, endpoint and store of the demo, and the people who look at them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_mlops.core.store import Store, open_store
from airflow_mlops.demo.stage import Stage, raised
from airflow_mlops.demo.story import Story
from tests.browser.chromium import Chromium, chromium_or_skip, installed
from tests.e2e.demo.onlooker import Onlooker
from tests.liveness import gone

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Airflow and endpoint of the demo; ``vic`` may look only."""
    with raised(tmp_path_factory.mktemp("demo"), ROOT / "dags", users={"vic": "viewer"}) as stage:
        yield stage
        living = stage.airflow.living()
    assert living
    assert [pid for pid in living if not gone(pid)] == []


@pytest.fixture(scope="package")
def onlooker(stage: Stage) -> Iterator[Onlooker]:
    """Somebody who approves and watches in a browser, where there is one."""
    program = installed()
    if program is None:
        yield Onlooker(stage, None)
        return
    with Chromium(program) as browser:
        yield Onlooker(stage, browser)


@pytest.fixture(scope="package")
def browser(onlooker: Onlooker) -> Chromium:
    """The browser; without one the test is skipped."""
    return onlooker.browser or chromium_or_skip()


@pytest.fixture(scope="package")
def story(stage: Stage, onlooker: Onlooker) -> Story:
    """The story, ready for its first act."""
    story = Story(stage.airflow.rest, stage.grounds, print, rate=250, approve=onlooker.approve)
    story.prepare()
    return story


@pytest.fixture(scope="package")
def store(stage: Stage) -> Store:
    """The store of the demo."""
    return open_store(stage.store)
