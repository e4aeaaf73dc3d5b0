"""What S3 writes into a queue when objects were made."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import unquote_plus


class NewObject(NamedTuple):
    """An object that was written."""

    bucket: str
    key: str


def new_objects(body: str) -> list[NewObject] | None:
    """The objects that a message names; none for S3's test message and for objects that were removed.

    The message is S3's event, or one that SNS has wrapped:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html

    :return: None if it is no message of S3.
    """
    try:
        event = json.loads(body)
        if isinstance(event, dict) and event.get("Type") == "Notification":
            event = json.loads(event["Message"])
        if event.get("Event") == "s3:TestEvent":
            return []
        return [found for record in event["Records"] for found in _of_record(record)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _of_record(record: dict[str, Any]) -> list[NewObject]:
    if record["eventSource"] != "aws:s3":
        raise KeyError("eventSource")
    if not str(record["eventName"]).startswith("ObjectCreated:"):
        return []
    s3 = record["s3"]
    # Keys are encoded as in a form: a plus sign stands for a space.
    return [NewObject(str(s3["bucket"]["name"]), unquote_plus(s3["object"]["key"]))]
