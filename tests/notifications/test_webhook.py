"""An alert as JSON to the address of a connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.notifications.sending import send
from airflow_mlops.notifications.webhook import WebhookNotifier
from tests.notifications.notifiers import LOG, alert
from tests.notifications.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    def to(**fields: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_MLOPS_WEBHOOK", json.dumps({"conn_type": "generic", **fields}))

    return to


def test_all_of_the_alert_is_sent(receiver: Receiver, connect: Any) -> None:
    connect(host=f"{receiver.url}/services/T0", password="s3cret")
    assert send(alert(), [WebhookNotifier()], {}, LOG)
    ((path, token, body),) = receiver.got
    assert (path, token) == ("/services/T0", "Bearer s3cret")
    assert (body["kind"], body["text"], body["details"]) == (
        "drift",
        alert().text,
        ["amount: <b>mean</b> 3 -> 6"],
    )


def test_a_payload_of_its_own_and_an_address_in_parts(receiver: Receiver, connect: Any) -> None:
    connect(schema="http", host="127.0.0.1", port=receiver.server_port, extra={"path": "/hook"})
    notifier = WebhookNotifier(payload={"text": "{{ mlops_alert.slack }}", "n": 1})
    assert send(alert(), [notifier], {}, LOG)
    ((path, token, body),) = receiver.got
    assert (path, token, body["n"]) == ("/hook", None, 1)
    assert body["text"].startswith("*WARNING: orders")


@pytest.mark.parametrize("status", [404, 500, 307])
def test_what_is_refused_is_said_without_the_address(receiver: Receiver, connect: Any, status: int) -> None:
    connect(host=f"{receiver.url}/services/verysecret")
    receiver.status = status
    with pytest.raises(PlatformError, match=f"status {status}") as error:
        WebhookNotifier().notify({"mlops_alert": {"text": "x"}})
    assert "verysecret" not in str(error.value)
    assert len(receiver.got) == 1


def test_nobody_listens(connect: Any) -> None:
    connect(host="http://127.0.0.1:9/verysecret")
    with pytest.raises(PlatformError, match=r"can't be reached; given Connect\w+$"):
        WebhookNotifier(timeout=2).notify({"mlops_alert": {}})


@pytest.mark.parametrize(
    "fields, says",
    [
        ({}, "holds no address"),
        ({"host": "file:///etc/passwd"}, "holds no address"),
        ({"host": "http://hooks.example.com/x", "password": "p"}, "over http://"),
    ],
)
def test_a_wrong_connection(connect: Any, fields: dict[str, str], says: str) -> None:
    connect(**fields)
    with pytest.raises(PlatformError, match=says):
        WebhookNotifier().notify({"mlops_alert": {}})


def test_without_an_alert_and_a_payload_there_is_nothing_to_send(connect: Any) -> None:
    connect(host="http://127.0.0.1:9")
    with pytest.raises(PlatformError, match="nothing to send"):
        WebhookNotifier().notify({})
