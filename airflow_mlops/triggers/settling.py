"""Waiting, in the triggerer, until something on AWS has settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, TypeVar

from airflow.triggers.base import BaseTrigger

from airflow_mlops.core.aws.patience import Patience
from airflow_mlops.core.errors import MlopsError

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import AsyncAws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.platform import Purpose

T = TypeVar("T")


class SettlingTrigger(BaseTrigger):
    """Base of the triggers that ask AWS ever more seldom, through passing faults, until there is an answer.

    :param mlops_conn_id: connection that says where everything runs.
    """

    #: Whose AWS connection asks.
    purpose: ClassVar[Purpose] = "serving"

    def __init__(self, *, mlops_conn_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mlops_conn_id = mlops_conn_id

    async def settled(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """What ``look`` finds, as soon as it is not None.

        :param what: that is waited for, e.g. ``training job x``.
        :raises MlopsError: if it can't be asked.
        """
        patience = Patience(what, lambda line: self.log.warning("%s", line))
        while True:
            # What was just asked for may not show yet.
            await asyncio.sleep(patience.pause())
            try:
                found = await look()
            except MlopsError as error:
                patience.failed(error)
                continue
            patience.succeeded()
            if found is not None:
                return found

    async def reach(self) -> tuple[AsyncAws, SageMaker]:
        """The clients and settings of the connection."""
        return await asyncio.to_thread(self._reach)

    def _reach(self) -> tuple[AsyncAws, SageMaker]:
        from airflow_mlops.hooks.mlops import MlopsHook

        return MlopsHook(self.mlops_conn_id).get_conn().require_aws(self.purpose)  # type: ignore[return-value]
