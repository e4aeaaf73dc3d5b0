"""Fire when a complete batch of new data has come: once for each, whatever restarts or fails in between.

How the guarantee holds. The watcher claims a batch in the log of the store, and hands the event to Airflow. Airflow's
shared streams tell when the event is stored in its database (*ack mode*); only then the log says ``announced``. A
triggerer that dies between these two announces the batch once more, under the same id. None is lost.

What Airflow (3.3) does with a watcher: its trigger's row is made when a DAG file is parsed, and taken away when no DAG
that runs by the asset is unpaused, or when another file names the same asset without it. A trigger that ends is
begun again at once, so this one never ends: what is wrong is said, and tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.wording import size, some
from airflow_mlops.triggers.looking import Place, lookout, pause

if TYPE_CHECKING:
    from airflow_mlops.core.data.arrival import Batch, Look
    from airflow_mlops.core.data.arrival_watch import ArrivalWatcher
    from airflow_mlops.triggers.queue import Subscription

#: With notifications, seconds between two listings that make up for those that were lost.
SWEEP = 900.0
#: After so many failed looks in a row, the connection is read and the store opened anew.
_FAULTS = 3


class NewDataTrigger(BaseEventTrigger):
    """Watches a data set's files, and fires for each complete batch.

    The event is ``{"batch", "complete", "batches", "files", "bytes", "first"}``: an id, why it is complete, how many
    batches it stands for (more than ten that are found at once are one event), and count, bytes and first names of
    the new files.

    All arguments are plain, so that Airflow finds the same trigger after each parse.

    :param dataset: whose files; its log is ``arrivals/<dataset>`` in the store.
    :param source: glob below the connection's data root.
    :param complete: ``success``, ``settled`` or ``manifest``.
    :param settle: seconds without a change.
    :param manifest: name of the file that lists a batch's files.
    :param mlops_conn_id: connection that says where everything is; without one, ``[mlops] conn_id``.
    :param poll_interval: seconds between two looks; 0 for ``[mlops] poll_interval``.
    """

    def __init__(
        self,
        *,
        dataset: str,
        source: str,
        complete: str = "settled",
        settle: float = 60.0,
        manifest: str = "manifest.json",
        mlops_conn_id: str = "",
        poll_interval: float = 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dataset = dataset
        self.source = source
        self.complete = complete
        self.settle = settle
        self.manifest = manifest
        self.mlops_conn_id = mlops_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments as plain values."""
        return (
            "airflow_mlops.triggers.arrival.NewDataTrigger",
            {
                "dataset": self.dataset,
                "source": self.source,
                "complete": self.complete,
                "settle": self.settle,
                "manifest": self.manifest,
                "mlops_conn_id": self.mlops_conn_id,
                "poll_interval": self.poll_interval,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Equal triggers look once for all of them."""
        path, arguments = self.serialize()
        return (path, *sorted(arguments.items()))

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Airflow then says when an event is stored."""
        return _Batches(cls(**kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Every batch is an event."""
        async for said in shared_stream:
            yield TriggerEvent(said)  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Where there are no shared streams: a batch counts as announced as soon as the event was taken."""
        batches = _Batches(self)
        try:
            async for said, batch in batches.open_stream():
                yield TriggerEvent(said)  # type: ignore[no-untyped-call]
                await batches.announced([batch])
        finally:
            await batches.aclose()


class _Batches(SharedStreamProducer):
    """The batches of one data set, as a stream that never ends."""

    def __init__(self, trigger: NewDataTrigger) -> None:
        self._trigger = trigger
        self._log = trigger.log
        self._conn_id = trigger.mlops_conn_id or conf.get("mlops", "conn_id", fallback="mlops_default")
        self._interval = trigger.poll_interval or conf.getfloat("mlops", "poll_interval", fallback=10.0)
        self._place: Place | None = None
        self._watcher: ArrivalWatcher | None = None
        self._subscription: Subscription | None = None
        self._faults = 0
        self._said = ""

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        """Look, announce, wait; see :class:`SharedStreamProducer`."""
        from airflow_mlops.core.data.arrival_watch import describe

        while True:
            began = asyncio.get_running_loop().time()
            held = self._subscription.held() if self._subscription else frozenset()
            found = await self._try()
            if found:
                for remark in found.remarks:
                    self._log.warning("%s: %s", self._trigger.dataset, remark)
                for batch in found.batches:
                    self._log.info("%s: %s", self._trigger.dataset, _line(batch))
                    yield describe(batch), batch
                if self._subscription:
                    await self._subscription.done(held, found.pending)
            await self._wait(began, found)

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Airflow has stored the events, or has given up."""
        for item in batch:
            if item.outcome.is_clean:
                await self.announced([item.broker_payload])
            elif self._watcher:
                self._watcher.failed(item.broker_payload)

    async def announced(self, batches: Sequence[Batch]) -> None:
        """Log it; what can't be logged now is logged before the next look."""
        for one in batches:
            if self._watcher is not None:
                try:
                    await lookout().run_for_data(partial(self._watcher.announced, one, utc_now()))
                except Exception as error:  # Airflow ends a stream whose producer raises
                    self._fail(str(error))
        if self._subscription:
            self._subscription.news.set()  # the next look lets go of the messages

    async def aclose(self) -> None:
        """Give back the messages that were not dealt with."""
        if self._subscription:
            await self._subscription.close()
            self._subscription = None

    async def _try(self) -> Look | None:
        """One look; None if it failed, which is said and waited out."""
        run = lookout().run_for_data
        try:
            place = await run(lambda: lookout().place(self._conn_id))
            watcher = await self._at(place)
            found = await run(lambda: watcher.look(time.monotonic(), utc_now(), self._interval))
        except (MlopsError, AirflowNotFoundException) as error:
            self._fail(str(error))
        except Exception as error:  # a trigger that ends is begun again at once, without a pause
            self._log.exception("looking for new data of %s", self._trigger.dataset)
            self._fail(str(error))
        else:
            self._faults, self._said = 0, ""
            return found
        return None

    def _fail(self, line: str) -> None:
        self._faults += 1
        if line != self._said:
            self._said = line
            self._log.warning("%s: can't look for new data: %s", self._trigger.dataset, line)

    async def _at(self, place: Place) -> ArrivalWatcher:
        """The watcher of a place: the one before, while that is the same and can be looked at."""
        is_same = self._place is not None and place.platform == self._place.platform
        if self._watcher is None or not is_same or self._faults >= _FAULTS:
            self._watcher = await lookout().run_for_data(lambda: self._watch(place))
        if not is_same:
            self._place = place
            await self._listen(place)
        return self._watcher

    def _watch(self, place: Place) -> ArrivalWatcher:
        from airflow_mlops.core.data.arrival import Rule
        from airflow_mlops.core.data.arrival_watch import ArrivalWatcher, Watched

        rule = Rule(self._trigger.complete, self._trigger.settle, self._trigger.manifest)  # type: ignore[arg-type]
        watched = Watched(self._trigger.dataset, self._trigger.source, rule)
        return ArrivalWatcher(place.store, place.platform.data(), watched, self._watcher)

    async def _listen(self, place: Place) -> None:
        """Subscribe to the connection's queue, if it names one."""
        await self.aclose()
        options, root = place.platform.s3_options, urlsplit(place.platform.data_uri)
        if options is None or not options.queue or root.scheme != "s3":
            return
        from airflow_mlops.core.aws.environment import EnvironmentAws
        from airflow_mlops.core.data.glob import check_path, fixed_prefix
        from airflow_mlops.triggers.queue import reader

        way = place.platform.aws_for("data")
        aws: Any = way() if way else EnvironmentAws()
        below = "".join(f"{part}/" for part in fixed_prefix(check_path(self._trigger.source)))
        path = root.path.strip("/")
        self._subscription = reader(self._conn_id, options.queue, aws).subscribe(
            root.netloc, f"{path}/" if path else "", below
        )

    async def _wait(self, began: float, found: Look | None) -> None:
        """Until the next look: the interval, or with notifications until one comes."""
        took = asyncio.get_running_loop().time() - began
        await asyncio.sleep(pause(self._interval, took, self._faults))
        if self._subscription is None or not self._subscription.works or found is None:
            return
        # Nobody sends a notification that a folder has settled.
        longest = max(self._interval, self._trigger.settle) if found.pending else SWEEP
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._subscription.news.wait(), longest)
        self._subscription.news.clear()


def _line(batch: Batch) -> str:
    named = some([file.path for file in batch.files], 1) or "nothing"
    return f"new data {batch.id} ({batch.complete}, {size(batch.size)}): {named}"
