"""An HTTP answer that SageMaker's server takes as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer with its status: what ``output_fn`` returns.

    The server of the XGBoost container (``sagemaker-containers`` 2.8) turns a pair of body and content type into an
    answer of status 200, an exception into one of status 500 without a reason, and hands all else to Flask as the
    result of a view. Flask runs a result that can be called as a WSGI application, so neither Flask nor the toolkit
    has to be imported to say 400 with a message. ``status_code``, ``content_type`` and :meth:`get_data` are named as
    in Flask's own answers.
    """

    status_code: int
    body: bytes
    content_type: str

    def get_data(self) -> bytes:
        """The body."""
        return self.body

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        """See PEP 3333."""
        phrase = HTTPStatus(self.status_code).phrase
        headers = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        start_response(f"{self.status_code} {phrase}", headers)
        return [self.body]
