"""A person at Airflow's UI: logs in, opens the Models page, fills in Airflow's own forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Frame,
    Page,
    Request,
    Response,
    expect,
)

from tests.browser.chromium import PATIENCE

OURS = "/mlops/"
Theme = Literal["light", "dark"]
_SIZE = {"width": 1200, "height": 780}


@dataclass
class Person:
    """Somebody who is logged in to an Airflow.

    :param url: of Airflow.
    :param page: the one window.
    :param troubles: errors in the console, failed requests and exceptions of our own pages, as they came.
    """

    url: str
    context: BrowserContext
    page: Page
    troubles: list[str] = field(default_factory=list)

    @classmethod
    def log_in(
        cls, browser: Browser, url: str, user: str, password: str, *, theme: Theme = "light"
    ) -> Person:
        """Open a window and log in by Airflow's own page."""
        context = browser.new_context(viewport=_SIZE, color_scheme=theme)
        context.set_default_timeout(PATIENCE)
        context.set_default_navigation_timeout(PATIENCE)
        # Airflow remembers the theme that was chosen in its menu here.
        context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        person = cls(url, context, context.new_page())
        person._listen()
        page = person.page
        page.goto(f"{url}/")
        page.get_by_label("Username").fill(user)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{url}/")
        return person

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if error is not None:
            seen = self.page.locator("body").aria_snapshot(timeout=5000)
            print(f"left {self.page.url} with {error}:\n{seen}")
        self.context.close()

    def open_models(self) -> Frame:
        """Open the Models page from Airflow's navigation; the frame that it is in."""
        self.page.get_by_role("link", name="Models", exact=True).click()
        return self.frame()

    def frame(self) -> Frame:
        """The frame of our pages within Airflow's, once it shows one."""
        element = self.page.locator("iframe").element_handle()
        frame = element.content_frame()
        assert frame is not None
        frame.wait_for_url(re.compile(re.escape(OURS)))
        expect(frame.locator("h1")).to_be_visible(timeout=PATIENCE)
        return frame

    def status(self, path: str, method: str = "GET", body: Any = None) -> int:
        """What a request in the person's session is answered with."""
        return self.context.request.fetch(
            f"{self.url}{path}", method=method, data=body, max_redirects=0
        ).status

    def trigger(self, numbers: dict[str, int], texts: dict[str, str]) -> None:
        """On Airflow's page of a DAG: open the form, fill it in, send it, and wait until Airflow has taken it.

        :param numbers: values of number fields, by the title of the field; ``texts`` likewise.
        """
        page = self.page
        page.get_by_role("button", name="Trigger").first.click()
        form = page.get_by_role("dialog")
        for title, number in numbers.items():
            form.get_by_role("spinbutton", name=title).fill(str(number))
        for title, text in texts.items():
            form.get_by_role("group").filter(has_text=title).get_by_role("textbox").last.fill(text)
        with page.expect_response(_started) as answer:
            form.get_by_role("contentinfo").get_by_role("button", name="Trigger").click()
        assert answer.value.ok, answer.value.text()

    def answer(self, option: str) -> None:
        """On Airflow's page of required actions: open the one question and answer it, until Airflow has taken it."""
        page = self.page
        page.get_by_role("table").get_by_role("link").first.click()
        with page.expect_response(_answered) as answer:
            page.get_by_role("button", name=option, exact=True).click()
        assert answer.value.ok, answer.value.text()

    def _listen(self) -> None:
        def said(message: ConsoleMessage) -> None:
            if message.type == "error" and OURS in str(message.location.get("url", "")):
                self.troubles.append(f"console: {message.text}")

        def thrown(error: Exception) -> None:
            if OURS in str(getattr(error, "stack", "")):
                self.troubles.append(f"exception: {error}")

        def failed(request: Request) -> None:
            # A page that is left gives up what it was asking for.
            if OURS in request.url and request.failure != "net::ERR_ABORTED":
                self.troubles.append(f"{request.method} {request.url}: {request.failure}")

        self.page.on("console", said)
        self.page.on("pageerror", thrown)
        self.page.on("requestfailed", failed)


def _started(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/dagRuns")


def _answered(response: Response) -> bool:
    return response.request.method == "PATCH" and response.url.endswith("/hitlDetails")
