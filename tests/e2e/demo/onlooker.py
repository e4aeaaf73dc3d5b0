"""Somebody in front of a web browser while the story is played: approves a release, and watches a rollout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from playwright.sync_api import Browser, Frame

from airflow_mlops.demo.rest import OpenQuestion
from airflow_mlops.demo.stage import Stage
from airflow_mlops.demo.story import MODEL
from tests.browser.airflow import Person, Theme
from tests.browser.chromium import Chromium
from tests.browser.pictures import take_picture

#: Milliseconds between two glances at a page that brings itself up to date; until it is opened anew before a rollout.
_GLANCE, _ANEW = 300.0, 2000.0
#: Stage, split of the traffic and all words of the live rollout, of one moment.
_READ = """part => [
    part.querySelector("[aria-current=step]")?.innerText ?? "",
    part.querySelector("figcaption")?.innerText ?? "",
    part.innerText,
]"""


@dataclass(frozen=True)
class Glance:
    """What the live rollout on the page says. :param stage: which one goes on, empty without a rollout."""

    stage: str
    split: str
    said: str


@dataclass(frozen=True)
class Watched:
    """What was seen of a rollout.

    :param seen: the glances that differ from the one before them.
    :param troubles: what our pages complained about meanwhile.
    """

    seen: list[Glance]
    troubles: list[str]


class Onlooker:
    """The user ``admin``; where there is no browser, it answers through REST and sees nothing.

    :ivar approved: whether the release was approved in the browser.
    :ivar watched: what came of watching; a page that fails fails the test that asks, not the story.
    """

    def __init__(self, stage: Stage, browser: Chromium | None) -> None:
        self.browser = browser
        self.approved = False
        self.watched: Future[Watched] | None = None
        self._stage = stage

    def approve(self, question: OpenQuestion) -> None:
        """Say yes to a question: from the model's page to Airflow's page of required actions, and there."""
        if self.browser is None:
            self._stage.airflow.rest.decide(question, "Approve", "no browser here")
            return
        self.browser.run(self._approve)
        self.approved = True

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the model's page for as long as a ``with`` block lasts."""
        if self.browser is None:
            yield
            return
        over = Event()
        self.watched = self.browser.begin(lambda browser: self._watch(browser, over))
        try:
            yield
        finally:
            over.set()
            wait([self.watched])

    def log_in(self, browser: Browser, theme: Theme = "light") -> Person:
        """In a new window."""
        airflow = self._stage.airflow
        return Person.log_in(browser, airflow.url, airflow.username, airflow.password, theme=theme)

    def _approve(self, browser: Browser) -> None:
        with self.log_in(browser) as person:
            open_model(person.open_models()).get_by_role("link", name="Answer in Airflow").click()
            person.answer("Approve")

    def _watch(self, browser: Browser, over: Event) -> Watched:
        with self.log_in(browser) as person:
            frame = open_model(person.open_models())
            part = frame.get_by_role("region", name="Live rollout").first
            seen = [Glance(*part.evaluate(_READ))]
            while not over.is_set():
                glance = Glance(*part.evaluate(_READ))
                if seen[-1] != glance:
                    seen.append(glance)
                    if "canary" in glance.stage and "The judge:" in glance.said:
                        part.evaluate("part => part.scrollIntoView()")
                        take_picture(person.page, "models-rollout-light")
                if any(one.stage for one in seen):
                    person.page.wait_for_timeout(_GLANCE)
                else:
                    person.page.wait_for_timeout(_ANEW)
                    frame.goto(frame.url)
            return Watched(seen, person.troubles)


def open_model(frame: Frame) -> Frame:
    """From the list of models to the page of the demo's."""
    frame.get_by_role("link", name=MODEL, exact=True).first.click()
    frame.wait_for_url(re.compile(f"/models/{MODEL}$"))
    return frame
