"""Follows the deployment logs of a store, and loads what they ask for in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.registry.deployments import Deployment, DeploymentLog
from airflow_mlops.core.serving.applied import Ready, State
from airflow_mlops.core.serving.batching import Batcher
from airflow_mlops.core.serving.hours import children
from airflow_mlops.core.serving.loading import Contract, Source
from airflow_mlops.core.serving.refusal import one_line
from airflow_mlops.core.store import Store

#: New models are looked for at every so many looks at the known ones.
_DISCOVER_EVERY = 5
_READY_TIMEOUT = 60.0

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
_News = tuple[int, Deployment, Contract | None]


class Follower:
    """Keeps the state of every model in a store up to date. Lives on the event loop; what blocks runs in
    threads.

    :param added: called with the state of a model that was found.
    :param every: seconds between two looks.
    """

    def __init__(self, store: Store, source: Source, added: Callable[[State], None], *, every: float) -> None:
        self._store = store
        self._source = source
        self._added = added
        self._every = every
        self._states: dict[str, State] = {}
        self._reading = ThreadPoolExecutor(4, thread_name_prefix="follow")
        self._loading = ThreadPoolExecutor(2, thread_name_prefix="load")
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        #: Why the store can't be read at present, None when it can.
        self.store_error: str | None = None
        #: Why the log of a model can't be read, for each such model.
        self.broken: dict[str, str] = {}

    async def start(self) -> None:
        """Take the present state of all models, wait for it to be loaded, and follow from then on."""
        await self._look_at_all(discover=True)
        deadline = asyncio.get_running_loop().time() + _READY_TIMEOUT
        while any(s.loading for s in self._states.values()) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Stop following; requests on their way can still be answered."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        for threads in (self._reading, self._loading):
            threads.shutdown(wait=False, cancel_futures=True)

    async def look_at(self, model: str) -> State | None:
        """Look at one model's log right now; None when nothing was ever deployed for it.

        :raises Exception: of the store, if it can't be read.
        """
        known = self._states.get(model)
        news = await self._in_thread(self._news, model, known.number if known else 0)
        self._take(model, news)
        state = self._states.get(model)
        if state is not None:
            state.retry()
            state.settle()
        return state

    async def _follow(self) -> None:
        round_number = 0
        while True:
            await asyncio.sleep(self._every)
            round_number += 1
            await self._look_at_all(discover=round_number % _DISCOVER_EVERY == 0)

    async def _look_at_all(self, *, discover: bool) -> None:
        numbers = {model: state.number for model, state in self._states.items()}
        try:
            for model, news in await self._in_thread(self._look, numbers, discover):
                self._take(model, news)
            if self.store_error:
                _log.info("the store can be read again")
            self.store_error = None
        except Exception as error:  # whatever the store raises: what serves goes on serving
            if not self.store_error:
                _log.warning("deployments can't be followed: %s", one_line(error))
            self.store_error = one_line(error)
        for state in self._states.values():
            state.settle()  # leases end and failed loads are tried again, with or without the store

    def _look(self, numbers: dict[str, int], discover: bool) -> list[tuple[str, _News | None]]:
        """In a thread: what is new in the logs."""
        models = dict(numbers)
        if discover:
            for model in children(self._store, "models/"):
                models.setdefault(model, 0)
        return [(model, self._news(model, number)) for model, number in models.items()]

    def _news(self, model: str, known: int) -> _News | None:
        """In a thread: the newest entry of a log, None when it is known or can't be read.

        :raises Exception: of the store, if it can't be asked for the entry's number: it is away.
        """
        log = DeploymentLog(self._store, model).log
        number = log.last_number(known)
        if number == known:
            return None
        try:
            entry = log.read(number)
        except StoreError as error:  # one broken log does not keep the others from being followed
            if self.broken.get(model) != one_line(error):
                _log.warning("%s", one_line(error))
            self.broken[model] = one_line(error)
            return None
        self.broken.pop(model, None)
        return number, entry, self._newest(model)

    def _newest(self, model: str) -> Contract | None:
        try:
            return self._source.newest(model)
        except Exception as error:  # a broken newest version must not keep a rollback from being seen
            _log.warning("newest version of %s can't be read: %s", model, one_line(error))
            return None

    def _take(self, model: str, news: _News | None) -> None:
        if news is None:
            return
        if model not in self._states:
            state = State(model, load=lambda number: self._start_load(model, number))
            self._states[model] = state
            self._added(state)
        self._states[model].take(*news)

    def _start_load(self, model: str, number: int) -> None:
        task = asyncio.get_running_loop().create_task(self._load(model, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self, model: str, number: int) -> None:
        state = self._states[model]
        loop = asyncio.get_running_loop()
        try:
            version = await loop.run_in_executor(self._loading, self._source.load, model, number)
        except Exception as error:  # whatever keeps a version from being loaded keeps it out of service
            state.failed(number, one_line(error))
        else:
            state.loaded(number, Ready(version, Batcher(version)))

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._reading, lambda: function(*args, **kwargs)
        )
