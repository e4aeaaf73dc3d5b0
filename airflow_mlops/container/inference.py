"""The four functions that SageMaker's XGBoost container calls in script mode, around the local server's inference
code.

``model_fn`` once per worker; then for each request ``output_fn(predict_fn(input_fn(body, type), model), accept)``
(``sagemaker_containers/_transformer.py``). An exception in one of them would be an answer of status 500 without a
reason, so what goes wrong is handed on as a value until the end.

An answer in JSON says, beside the predictions, what SageMaker's data capture does not know::

    {"predictions": [0.1], "mlops": {"variant": "v3", "latency_ms": 1.2, "status": 200}}

``status`` is 500 where the model failed and the fallback rule answered (``variant`` is then ``fallback``, ``error``
says why). A refusal is ``{"message": "..."}`` with its HTTP status, as at the local server. In a shadow variant's
container (``MLOPS_SHADOW=1``) all answers have HTTP status 200, because only those are captured: ``predictions`` is
null then, and ``mlops`` has ``status`` and ``error``.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from airflow_mlops.container.loaded import LoadedModel, Outcome, is_shadow
from airflow_mlops.container.reply import Reply
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.serving.refusal import RefusedError, one_line
from airflow_mlops.core.serving.wire import CSV, JSON, accepted, answer_body, encode

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A request as it came: what it has to be is known together with the model."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Answered:
    """The outcome of a request. :param shadow: whether only the data capture sees it."""

    outcome: Outcome
    shadow: bool


def model_fn(model_dir: str) -> LoadedModel:
    """Load the model of the archive that SageMaker has unpacked. :raises MlopsError: if it can't be loaded."""
    try:
        return LoadedModel.load(Path(model_dir), shadow=is_shadow(os.environ))
    except MlopsError as error:
        _log.error("the model can't be loaded: %s", error)
        raise


def input_fn(body: bytes | str, content_type: str) -> Request:
    """Keep the body and its type. The toolkit decodes what it takes for text."""
    return Request(body.encode() if isinstance(body, str) else body, content_type)


def predict_fn(request: Request, model: LoadedModel) -> Answered:
    """Answer, by the model or by the rule, or say why not."""
    return Answered(model.answer(request.body, request.content_type), model.shadow)


def output_fn(answered: Answered, accept: str) -> Reply:
    """The answer as HTTP."""
    outcome = answered.outcome
    try:
        content_type = accepted(accept)
    except RefusedError as error:
        if not answered.shadow:
            return _refusal(error.status, one_line(error, 1000))
        content_type = JSON
    if outcome.predictions is None:
        return _told(outcome) if answered.shadow else _refusal(outcome.status, outcome.error)
    if content_type == CSV:
        return Reply(200, answer_body(outcome.predictions, CSV), CSV)
    return _told(outcome)


def _told(outcome: Outcome) -> Reply:
    about = {
        "variant": outcome.variant,
        "latency_ms": round(outcome.latency_ms, 3),
        "status": outcome.status,
    }
    if outcome.error:
        about["error"] = outcome.error
    return Reply(200, encode({"predictions": outcome.predictions, "mlops": about}), JSON)


def _refusal(status: int, message: str) -> Reply:
    return Reply(status, encode({"message": message}), JSON)
