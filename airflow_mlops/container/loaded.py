"""A model as an endpoint's container holds it, and what it makes of one request."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.serving.batching import answer_each
from airflow_mlops.core.serving.fallback import VARIANT as FALLBACK
from airflow_mlops.core.serving.fallback import answer_by_rule
from airflow_mlops.core.serving.loading import Answering, Contract, Rows, check_rows, load_warm
from airflow_mlops.core.serving.packed import FILE, STORE, PackedVersion
from airflow_mlops.core.serving.refusal import RefusedError, one_line
from airflow_mlops.core.serving.wire import parse_rows
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.results import parse

_LONGEST = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a request.

    :param variant: which answered: ``v<version>`` or ``fallback``.
    :param predictions: one number per row; None when the request is refused, or nobody could answer.
    :param latency_ms: of the model's call.
    :param status: 200; 4xx when the request is refused; 500 when the model failed, also where the rule answered
        instead.
    :param error: why the status is not 200.
    """

    variant: str
    predictions: list[float] | None = None
    latency_ms: float = 0.0
    status: int = 200
    error: str = ""


@dataclass(frozen=True)
class LoadedModel:
    """A version with its model, or the fallback rule alone.

    :param model: None for the rule.
    :param shadow: whether nobody but the data capture sees the answers.
    """

    variant: str
    model: Answering | None
    contract: Contract
    shadow: bool = False

    @classmethod
    def load(cls, folder: Path, *, shadow: bool = False) -> LoadedModel:
        """The model of an unpacked archive; it is called once, so that the first caller does not wait for it.

        :raises MlopsError: if the archive is not whole, or its model can't be loaded.
        """
        packed = parse((folder / FILE).read_bytes(), PackedVersion, FILE)
        model = load_warm(FolderStore(folder / STORE), packed.trained) if packed.trained else None
        return cls(packed.variant, model, packed.contract, shadow)

    def answer(self, body: bytes, content_type: str) -> Outcome:
        """The outcome of one request. Never raises: what goes wrong is told in it."""
        try:
            rows = parse_rows(body, content_type, self.contract)
            if self.model is None:
                return self._by_rule(rows, 503, "no model is deployed")
            check_rows(self.model, rows)
            return self._by_model(self.model, rows)
        except RequestError as error:
            status = error.status if isinstance(error, RefusedError) else 400
            return Outcome(self.variant, status=status, error=one_line(error, _LONGEST))
        except Exception:
            _log.exception("a request failed")
            why = "the server failed on this request; its log says why"
            return Outcome(self.variant, status=500, error=why)

    def _by_model(self, model: Answering, rows: Rows) -> Outcome:
        start = time.perf_counter()
        (found,) = answer_each(model, [rows])
        latency_ms = (time.perf_counter() - start) * 1000
        if not isinstance(found, Exception):
            return Outcome(self.variant, found, latency_ms)
        why = f"{self.variant} failed: {one_line(found)}"
        _log.warning("%s", why)
        if self.shadow:
            return Outcome(self.variant, None, latency_ms, 500, why)
        instead = self._by_rule(rows, 500, why)
        return Outcome(FALLBACK, instead.predictions, latency_ms, 500, why)

    def _by_rule(self, rows: Rows, status: int, why: str) -> Outcome:
        start = time.perf_counter()
        predictions = answer_by_rule(self.contract.serving.fallback, rows, status, why)
        return Outcome(FALLBACK, predictions, (time.perf_counter() - start) * 1000)


def is_shadow(environ: Mapping[str, str]) -> bool:
    """Whether this container is a shadow variant's: ``MLOPS_SHADOW=1``."""
    return environ.get("MLOPS_SHADOW") == "1"
