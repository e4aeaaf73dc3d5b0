from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from airflow_mlops.core.doctor.clock import check_clock
from airflow_mlops.core.record import utc_now


@contextmanager
def server(ahead: timedelta | None) -> Iterator[str]:
    """A server whose clock is wrong by so much, or that tells no time; it refuses everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(403)
            if ahead is not None:
                self.send_header("Date", format_datetime(utc_now() + ahead, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "ahead, state, words",
    [
        (timedelta(0), "ok", "agrees"),
        (timedelta(minutes=2), "warning", "behind"),
        (timedelta(minutes=-2), "warning", "ahead of"),
        (timedelta(hours=1), "problem", "beyond which S3 refuses"),
    ],
)
def test_the_clock_is_held_against_a_server(ahead: timedelta, state: str, words: str) -> None:
    with server(ahead) as url:
        (found,) = check_clock({"S3": url})
    assert found.state == state
    assert words in found.said


def test_who_tells_no_time_says_nothing() -> None:
    with server(None) as url:
        (found,) = check_clock({"S3": url, "the endpoint": "http://127.0.0.1:1"})
    assert (found.state, "no server" in found.found) == ("ok", True)
