"""Calls to AWS, separate from who makes them: the same steps run with boto3 in a task and with aiobotocore in a
trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One call, as botocore's clients name it.

    :param service: e.g. ``sagemaker``.
    :param method: e.g. ``describe_training_job``.
    """

    service: str
    method: str
    params: dict[str, Any] = field(default_factory=dict)


#: Work that yields calls and gets their answers, or the errors that botocore raised.
Steps = Generator[Call, dict[str, Any], T]


def take(client: Callable[[str], Any], steps: Steps[T]) -> T:
    """Do the work with boto3's clients.

    :param client: gives the client of a service.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        call = next(steps)
        while True:
            try:
                answer = getattr(client(call.service), call.method)(**call.params)
            except (BotoCoreError, ClientError) as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


async def take_async(client: Callable[[str], AbstractAsyncContextManager[Any]], steps: Steps[T]) -> T:
    """Do the work with aiobotocore's clients; see :func:`take`."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        call = next(steps)
        while True:
            try:
                async with client(call.service) as aws:
                    answer = await getattr(aws, call.method)(**call.params)
            except (BotoCoreError, ClientError) as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
