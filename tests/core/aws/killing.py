"""Dying in the middle: a step is cut off at its n-th call of AWS, as by ``kill -9``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient


class KilledError(BaseException):
    """The end of a process; nothing in the code under test may catch it."""


@dataclass
class Life:
    """What was done of a step.

    :ivar calls: how many calls were begun.
    :ivar cut: whether the step was cut off.
    """

    calls: int = 0
    cut: bool = False


@contextmanager
def killed_at(number: int, *, after: bool, only: Collection[str] = ()) -> Iterator[Life]:
    """Cut off what runs in the block at its call ``number`` (from 1) of any AWS service, S3 too.

    :param after: whether the call still reaches AWS; its answer never arrives.
    :param only: operations that are counted; all without any.
    """
    life, real = Life(), BaseClient._make_api_call

    def call(client: BaseClient, name: str, parameters: Any) -> Any:
        if only and name not in only:
            return real(client, name, parameters)
        life.calls += 1
        if life.calls < number or life.cut:
            return real(client, name, parameters)
        life.cut = True
        if after:
            real(client, name, parameters)
        raise KilledError(f"{name}, call {number}")

    with patch.object(BaseClient, "_make_api_call", call), suppress(KilledError):
        yield life
