"""Send an alert by notifiers of any provider: Slack, e-mail, SNS, a webhook."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseNotifier

from airflow_mlops.core.errors import MlopsError, SpecError

if TYPE_CHECKING:
    from airflow_mlops.core.monitoring.alerts.alert import Alert

#: Name under which templates of notifiers find the alert.
VARIABLE = "mlops_alert"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
#: Tokens and keys are longer than words.
_TOKEN = re.compile(r"[A-Za-z0-9_+=/\-]{24,}")
_LONGEST = 200


def check_notifiers(notifiers: Sequence[Any]) -> tuple[BaseNotifier, ...]:
    """The notifiers as they are, when each one is one.

    :raises SpecError: if one is not a notifier; a single one instead of a list is such a mistake.
    """
    given: list[Any] = list(notifiers) if isinstance(notifiers, (list, tuple)) else [notifiers]
    wrong = [one for one in given if not isinstance(one, BaseNotifier)]
    if wrong or not isinstance(notifiers, (list, tuple)):
        raise SpecError(
            "notifiers",
            given=f"a {type(wrong[0] if wrong else notifiers).__name__}",
            expected="a list of notifiers of Airflow's providers, e.g. [SlackNotifier(...)]",
        )
    return tuple(given)


def send(alert: Alert, notifiers: Sequence[BaseNotifier], context: Mapping[str, Any], log: Any) -> bool:
    """Send one alert by each notifier; whether it counts as delivered.

    Each notifier is rendered with ``mlops_alert`` (:func:`~airflow_mlops.core.monitoring.alerts.forms.forms`) beside
    what else Airflow's context holds. One that fails is told in one line and stops neither the task nor the others.
    Delivered is what at least one has sent; without any notifier the task's log is where the alert stands.

    :param notifiers: rendering changes a notifier, so that a copy of each is used.
    :param log: the task's logger.
    """
    from airflow_mlops.core.monitoring.alerts.forms import forms

    for line in alert.text.splitlines():
        log.info("%s", line)
    form = forms(alert)
    sent = [one for one in notifiers if _sent(one, {**context, VARIABLE: form}, log)]
    if notifiers and not sent:
        log.error(
            "Nobody was told: all %d notifiers failed. The next task that tells people sends it again.",
            len(notifiers),
        )
    return bool(sent) or not notifiers


def _sent(notifier: BaseNotifier, context: dict[str, Any], log: Any) -> bool:
    name = type(notifier).__name__
    try:
        _notify(_fresh(notifier), context)
    except Exception as error:  # whatever a provider raises, the task goes on
        log.warning("%s failed: %s", name, harmless(error))
        return False
    log.info("%s has sent it", name)
    return True


def _fresh(notifier: BaseNotifier) -> BaseNotifier:
    """A copy to be rendered: rendering replaces the template fields, and changes what is nested in them."""
    fresh = copy.copy(notifier)
    for field in notifier.template_fields:
        setattr(fresh, field, copy.deepcopy(getattr(notifier, field, None)))
    return fresh


def _notify(notifier: BaseNotifier, context: dict[str, Any]) -> None:
    """Render and send, as Airflow's own call does: that one writes the whole error to the log, secrets and all."""
    fields = {field: getattr(notifier, field) for field in notifier.template_fields}
    scope: Any = {**context, **fields}
    notifier.render_template_fields(scope)
    if type(notifier).notify is BaseNotifier.notify:  # one that only knows async
        asyncio.run(notifier.async_notify(scope))
    else:
        notifier.notify(scope)


def harmless(error: BaseException) -> str:
    """An error in one line that may stand in a log: of an address only its host, and nothing like a token."""
    if isinstance(error, MlopsError):
        return str(error)
    line = (str(error).strip().splitlines() or [""])[0]
    line = _ADDRESS.sub(lambda found: _host(found[0]), line)
    line = _TOKEN.sub("...", line)[:_LONGEST]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _host(address: str) -> str:
    try:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.hostname or ''}/..."
    except ValueError:
        return "..."
