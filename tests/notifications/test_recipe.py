"""A notifier as plain values makes the same notifier, or is refused where the DAG is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import BaseNotifier

from airflow_mlops.core.errors import SpecError
from airflow_mlops.notifications.recipe import from_recipe, to_recipe, to_recipes
from airflow_mlops.notifications.webhook import WebhookNotifier
from tests.notifications.notifiers import Broken, SlackNotifier


class Forgetful(BaseNotifier):
    """Keeps its argument under another name."""

    def __init__(self, text: str = "default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = text


@pytest.mark.parametrize(
    "notifier",
    [
        WebhookNotifier(conn_id="hook", payload={"text": ["{{ mlops_alert.text }}"]}, timeout=3),
        WebhookNotifier(),
        SlackNotifier(text="{{ mlops_alert.slack }}", channel="#ml", blocks=[{"type": "divider"}]),
    ],
    ids=["webhook", "default", "slack"],
)
def test_there_and_back(notifier: BaseNotifier) -> None:
    recipe = to_recipe(notifier)
    again = from_recipe(json.loads(json.dumps(recipe)))
    assert type(again) is type(notifier)
    assert {**vars(again)} == {**vars(notifier)}


def test_notifiers_of_the_providers() -> None:
    smtp = pytest.importorskip("airflow.providers.smtp.notifications.smtp")
    notifier = smtp.SmtpNotifier(to=["a@example.com"], subject="{{ mlops_alert.title }}", smtp_conn_id="mail")
    again: Any = from_recipe(to_recipe(notifier))
    assert (again.to, again.subject, again.smtp_conn_id) == (["a@example.com"], notifier.subject, "mail")
    sns = pytest.importorskip("airflow.providers.amazon.aws.notifications.sns")
    notifier = sns.SnsNotifier(target_arn="arn:aws:sns:eu-west-1:1:a", message="{{ mlops_alert.text }}")
    again = from_recipe(to_recipe(notifier))
    assert (again.target_arn, again.message) == (notifier.target_arn, notifier.message)


class Local:
    class Inner(BaseNotifier):
        """Not at the top of a module."""


@pytest.mark.parametrize(
    "notifier, says",
    [
        (Forgetful("hello"), "does not keep its arguments"),
        (Broken(error=ValueError("x")), "no plain values"),
        (Local.Inner(), "can't be imported"),
    ],
)
def test_what_is_refused(notifier: BaseNotifier, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        to_recipe(notifier)


def test_a_class_of_a_dag_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Forgetful, "__module__", "unusual_prefix_0123_orders")
    with pytest.raises(SpecError, match="module of its own"):
        to_recipe(Forgetful())


def test_what_can_t_be_made_again_says_so_when_it_is_to_send() -> None:
    good, bad = (from_recipe(one) for one in to_recipes([WebhookNotifier(), Forgetful("hello")]))
    assert isinstance(good, WebhookNotifier)
    with pytest.raises(SpecError, match=r"Forgetful.*does not keep its arguments"):
        bad.notify({})


def test_a_path_that_is_no_notifier() -> None:
    with pytest.raises(SpecError, match=r"builtins\.dict"):
        from_recipe({"path": "builtins.dict", "arguments": {}})
