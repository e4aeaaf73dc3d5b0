"""How an operation is written: a function of the simulator and the request's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.simulator import Simulator

#: Takes the simulator and the parameters as botocore names them; returns the answer in the same terms.
Operation = Callable[["Simulator", dict[str, Any]], dict[str, Any]]

#: All operations that are there, by service and name.
OPERATIONS: dict[tuple[str, str], Operation] = {}


class ApiError(Exception):
    """An answer that is an error, as AWS gives it.

    :param code: e.g. ``ValidationException``, ``ResourceInUse``, ``ResourceNotFound``, ``ThrottlingException``.
    :param status: of HTTP.
    :param fields: further members of the error's shape.
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


def operation(service: str, name: str) -> Callable[[Operation], Operation]:
    """Register a function as an operation. It runs in a thread and holds the simulator's lock."""

    def register(function: Operation) -> Operation:
        OPERATIONS[service, name] = function
        return function

    return register


def invalid(message: str) -> ApiError:
    """The error of a request that SageMaker does not accept."""
    return ApiError("ValidationException", message)


def missing(what: str) -> ApiError:
    """The error of most Describe, Update, Stop and Delete calls for what is not there."""
    return ApiError("ValidationException", f"Could not find {what}.")
