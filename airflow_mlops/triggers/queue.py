"""Notifications of S3 from a queue of SQS: one reader for all who watch, in one process.

A message says where to look; what is complete, and what was announced, is for the listing and the log to say. So a
message that is lost costs time and no data, and one that comes twice costs a look.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.arrival_messages import NewObject, new_objects
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.triggers.looking import pause

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import AsyncAws

log = logging.getLogger(__name__)

#: Seconds that one request waits for messages; the longest that SQS allows.
_WAIT = 20
#: Seconds that nobody else sees a message that is held until its batch was announced.
_HOLD = 900
#: Seconds until a message that nobody here waits for is seen by other triggerers.
_BACK = 10
#: A message that was given back so often is nobody's.
_MOST_BACK = 4
_FAULT_PAUSE = 10.0


@dataclass(eq=False)
class _Message:
    """:param holders: those whose batches it is about."""

    receipt: str
    holders: set[Subscription] = field(default_factory=set)


class Subscription:
    """The messages for one who watches.

    :param root: key prefix of the data root, with a slash at its end, or empty.
    :param below: of what is watched, relative to the root.
    """

    def __init__(self, reader: QueueReader, bucket: str, root: str, below: str) -> None:
        self._reader = reader
        self._bucket = bucket
        self._root = root
        self._below = below
        self.news = asyncio.Event()
        self._held: dict[str, set[str]] = {}

    def take(self, message_id: str, objects: Iterable[NewObject]) -> bool:
        """Wake up for a message, if it is about what is watched; whether it is."""
        begin = self._root + self._below
        mine = [one.key for one in objects if one.bucket == self._bucket and one.key.startswith(begin)]
        if mine:
            self._held.setdefault(message_id, set()).update(key[len(self._root) :] for key in mine)
            self.news.set()
        return bool(mine)

    @property
    def works(self) -> bool:
        """Whether the queue can be read; else somebody has to look without being told."""
        return self._reader.works

    def held(self) -> frozenset[str]:
        """Ids of the messages that are not done."""
        return frozenset(self._held)

    async def done(self, before: Collection[str], pending: Collection[str]) -> None:
        """Delete the messages about files that are not pending any more.

        :param before: messages that were there when the look began that found ``pending``.
        """
        finished = [one for one in before if one in self._held and self._held[one].isdisjoint(pending)]
        for one in finished:
            del self._held[one]
        await self._reader.release(self, finished)

    async def close(self) -> None:
        """Ask for no more; what is held comes back to others."""
        self._held.clear()
        await self._reader.leave(self)


class QueueReader:
    """Reads one queue for all subscriptions of a loop.

    :param queue: name, ARN or URL.
    """

    def __init__(self, aws: AsyncAws, queue: str) -> None:
        self._aws = aws
        self._queue = queue
        self._url = queue if queue.startswith(("https://", "http://")) else ""
        self._subscriptions: set[Subscription] = set()
        self._messages: dict[str, _Message] = {}
        self._task: asyncio.Task[None] | None = None
        self._said: set[str] = set()
        #: Whether the last request was answered.
        self.works = True

    def subscribe(self, bucket: str, root: str, below: str) -> Subscription:
        """Messages about some keys of a bucket, from now on; see :class:`Subscription`."""
        made = Subscription(self, bucket, root, below)
        self._subscriptions.add(made)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
        return made

    async def leave(self, subscription: Subscription) -> None:
        """End a subscription; the last one ends the reading."""
        self._subscriptions.discard(subscription)
        for message in self._messages.values():
            message.holders.discard(subscription)
        self._messages = {name: one for name, one in self._messages.items() if one.holders}
        if not self._subscriptions and self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def release(self, subscription: Subscription, message_ids: Collection[str]) -> None:
        """Delete messages that nobody holds any more; what can't be deleted comes again, and is then."""
        over = []
        for message_id in message_ids:
            message = self._messages.get(message_id)
            if message is not None:
                message.holders.discard(subscription)
                if not message.holders:
                    over.append(self._messages.pop(message_id).receipt)
        if over:
            await self._delete(over)

    async def _run(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_mlops.core.aws.errors import explain

        faults = 0
        while True:
            try:
                await self._receive()
                faults, self.works = 0, True
                continue
            except (BotoCoreError, ClientError) as error:
                told: MlopsError = explain(error, f"read queue {self._queue}")
            except MlopsError as error:
                told = error
            faults += 1
            self.works = False
            self._say(str(told))
            for one in self._subscriptions:
                one.news.set()
            await asyncio.sleep(pause(_FAULT_PAUSE, 0.0, faults))

    async def _receive(self) -> None:
        async with self._aws.async_client("sqs") as client:
            answer = await client.receive_message(
                QueueUrl=await self._find(client),
                MaxNumberOfMessages=10,
                WaitTimeSeconds=_WAIT,
                VisibilityTimeout=_HOLD,
                AttributeNames=["ApproximateReceiveCount"],
            )
        over, back = [], []
        for message in answer.get("Messages", ()):
            wanted = self._dispatch(message)
            if wanted is False:
                over.append(message["ReceiptHandle"])
            elif wanted is None:
                back.append(message["ReceiptHandle"])
        if over:
            await self._delete(over)
        if back:
            await self._give_back(back)

    def _dispatch(self, message: dict[str, Any]) -> bool | None:
        """Hand a message to those it is about: True if somebody holds it, False if it is done, None if others may
        want it.
        """
        message_id, objects = message["MessageId"], new_objects(message["Body"])
        if objects is None:
            self._say(
                f"queue {self._queue} holds what is no notification of S3, such as message {message_id}"
            )
            return None
        if not objects:
            return False
        holders = {one for one in self._subscriptions if one.take(message_id, objects)}
        if holders:
            known = self._messages.get(message_id)
            self._messages[message_id] = _Message(
                message["ReceiptHandle"], holders | (known.holders if known else set())
            )
            return True
        count = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        return None if count < _MOST_BACK else False

    async def _find(self, client: Any) -> str:
        if not self._url:
            parts = self._queue.split(":")
            owner = {"QueueOwnerAWSAccountId": parts[4]} if len(parts) == 6 else {}
            self._url = (await client.get_queue_url(QueueName=parts[-1], **owner))["QueueUrl"]
        return self._url

    async def _delete(self, receipts: list[str]) -> None:
        await self._each("delete_message_batch", [{"ReceiptHandle": receipt} for receipt in receipts])

    async def _give_back(self, receipts: list[str]) -> None:
        await self._each(
            "change_message_visibility_batch",
            [{"ReceiptHandle": receipt, "VisibilityTimeout": _BACK} for receipt in receipts],
        )

    async def _each(self, call: str, entries: list[dict[str, Any]]) -> None:
        """Ten in a request. What fails comes again by itself."""
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_mlops.core.aws.errors import explain

        try:
            async with self._aws.async_client("sqs") as client:
                for start in range(0, len(entries), 10):
                    numbered = [
                        {"Id": str(number), **one} for number, one in enumerate(entries[start : start + 10])
                    ]
                    await getattr(client, call)(QueueUrl=await self._find(client), Entries=numbered)
        except (BotoCoreError, ClientError) as error:
            self._say(str(explain(error, f"answer messages of queue {self._queue}")))

    def _say(self, line: str) -> None:
        """Once for each line."""
        if line not in self._said:
            self._said.add(line)
            log.warning("%s", line)


_READERS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], QueueReader]] = (
    weakref.WeakKeyDictionary()
)


def reader(mlops_conn_id: str, queue: str, aws: AsyncAws) -> QueueReader:
    """That of a connection's queue on the running loop."""
    of_loop = _READERS.setdefault(asyncio.get_running_loop(), {})
    return of_loop.setdefault((mlops_conn_id, queue), QueueReader(aws, queue))
