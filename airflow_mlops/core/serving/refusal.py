"""A request that is not answered with predictions: its HTTP status and one line that says why."""

from __future__ import annotations

from airflow_mlops.core.errors import RequestError


class RefusedError(RequestError):
    """A request is refused, or can't be answered.

    :param status: HTTP status, 4xx when the caller can mend it, 5xx when not.
    """

    def __init__(
        self,
        status: int,
        problem: str,
        *,
        given: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem, given=given, expected=expected, remedy=remedy)
        self.status = status


def one_line(error: BaseException, limit: int = 300) -> str:
    """An error as one line for logs, descriptions and answers."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:limit]
