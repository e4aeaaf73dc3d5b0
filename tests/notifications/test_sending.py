"""Any provider's notifier sends an alert; one that fails is told in one line and stops nobody."""

from __future__ import annotations

import email
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseNotifier

from airflow_mlops.core.errors import SpecError
from airflow_mlops.notifications.sending import check_notifiers, harmless, send
from tests.notifications.notifiers import LOG, AsyncOnly, Broken, SlackNotifier, alert

CONTEXT = {"dag_run": SimpleNamespace(run_id="r1"), "text": "of Airflow"}


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("INFO", LOG.name):
        yield
    SlackNotifier.sent.clear()
    AsyncOnly.sent.clear()


def test_a_notifier_is_rendered_with_the_alert_and_stays_as_it_was() -> None:
    blocks = [{"type": "section", "text": {"text": "{{ mlops_alert.severity }} in {{ dag_run.run_id }}"}}]
    notifier = SlackNotifier(text="{{ mlops_alert.text }}", blocks=blocks)
    assert send(alert(), [notifier], CONTEXT, LOG)
    assert send(alert(title="orders: other"), [notifier], CONTEXT, LOG)
    assert SlackNotifier.sent[0]["text"] == alert().text
    assert SlackNotifier.sent[0]["blocks"][0]["text"]["text"] == "warning in r1"
    assert "orders: other" in SlackNotifier.sent[1]["text"]
    assert notifier.text == "{{ mlops_alert.text }}"
    assert blocks[0]["text"] == {"text": "{{ mlops_alert.severity }} in {{ dag_run.run_id }}"}


def test_what_came_from_data_is_no_template() -> None:
    send(alert(title="{{ 7 * 7 }}"), [SlackNotifier(text="{{ mlops_alert.title }}")], CONTEXT, LOG)
    assert SlackNotifier.sent[0]["text"] == "WARNING: {{ 7 * 7 }}"


def test_one_that_only_knows_async() -> None:
    assert send(alert(), [AsyncOnly("{{ mlops_alert.kind }}")], CONTEXT, LOG)
    assert AsyncOnly.sent == ["drift"]


def test_one_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    assert send(alert(), [Broken(), SlackNotifier(), Broken()], CONTEXT, LOG)
    assert len(SlackNotifier.sent) == 1
    lines = [one.getMessage() for one in caplog.records if "Broken" in one.getMessage()]
    assert lines == ["Broken failed: RuntimeError: 404 for https://hooks.example.com/..."] * 2
    assert "verysecret" not in caplog.text
    assert "Traceback" not in caplog.text


def test_nobody_was_told(caplog: pytest.LogCaptureFixture) -> None:
    assert not send(alert(), [Broken(), Broken()], CONTEXT, LOG)
    assert caplog.records[-1].levelname == "ERROR"
    assert "all 2 notifiers failed" in caplog.records[-1].getMessage()


def test_a_wrong_template_is_a_failure_like_others(caplog: pytest.LogCaptureFixture) -> None:
    assert not send(alert(), [SlackNotifier(text="{{ mlops_alert.text")], CONTEXT, LOG)
    assert "SlackNotifier failed: TemplateSyntaxError" in caplog.text


def test_without_notifiers_the_alert_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert send(alert(), [], CONTEXT, LOG)
    assert [one.getMessage() for one in caplog.records] == alert().text.splitlines()


@pytest.mark.parametrize("wrong", [["slack"], SlackNotifier(), [SlackNotifier], "slack"])
def test_what_is_no_list_of_notifiers_is_refused(wrong: Any) -> None:
    with pytest.raises(SpecError, match=r"notifiers; given a \w+; expected a list of notifiers"):
        check_notifiers(wrong)


def test_an_error_without_words_and_one_with_a_token() -> None:
    assert harmless(ValueError()) == "ValueError"
    assert harmless(KeyError("xoxb-1234567890-abcdefghijklmn")) == "KeyError: '...'"
    assert harmless(SpecError("wrong", expected="right")) == "wrong; expected right"


class Mailbox:
    """Takes what ``smtplib`` would have sent."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def sendmail(self, *, from_addr: str, to_addrs: list[str], msg: str) -> None:
        self.messages.append(email.message_from_string(msg))

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: None


def test_the_smtp_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    notifications = pytest.importorskip("airflow.providers.smtp.notifications.smtp")
    mailbox = Mailbox()
    monkeypatch.setattr("smtplib.SMTP", lambda **options: mailbox)
    monkeypatch.setenv(
        "AIRFLOW_CONN_MAIL",
        '{"conn_type": "smtp", "host": "localhost", "extra": {"disable_ssl": true, "disable_tls": true}}',
    )
    notifier: BaseNotifier = notifications.SmtpNotifier(
        smtp_conn_id="mail",
        from_email="mlops@example.com",
        to="team@example.com",
        subject="{{ mlops_alert.title }}",
        html_content="{{ mlops_alert.html }}",
    )
    assert send(alert(), [notifier], {}, LOG)
    assert send(alert(title="orders: again"), [notifier], {}, LOG)
    first, second = mailbox.messages
    assert first["Subject"] == "WARNING: orders: 1 of 3 columns drifted: amount"
    assert second["Subject"] == "WARNING: orders: again"
    body = next(part for part in first.walk() if part.get_content_type() == "text/html")
    assert "amount: &lt;b&gt;mean&lt;/b&gt; 3 -&gt; 6" in body.get_payload(decode=True).decode()


def test_the_sns_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    notifications = pytest.importorskip("airflow.providers.amazon.aws.notifications.sns")
    pytest.importorskip("moto")
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        region = "eu-west-1"
        arn = boto3.client("sns", region_name=region).create_topic(Name="alerts")["TopicArn"]
        sqs = boto3.client("sqs", region_name=region)
        queue = sqs.create_queue(QueueName="people")["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        boto3.client("sns", region_name=region).subscribe(
            TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
        )
        notifier: BaseNotifier = notifications.SnsNotifier(
            aws_conn_id=None,
            region_name=region,
            target_arn=arn,
            subject="{{ mlops_alert.kind }} of {{ mlops_alert.model }}",
            message="{{ mlops_alert.text }}",
        )
        assert send(alert(), [notifier], {}, LOG)
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == alert().text
