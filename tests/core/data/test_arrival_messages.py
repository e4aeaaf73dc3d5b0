"""Notifications of S3, as AWS documents them."""

from __future__ import annotations

import json

import pytest

from airflow_mlops.core.data.arrival_messages import NewObject, new_objects


def event(*keys: str, name: str = "ObjectCreated:Put", source: str = "aws:s3") -> str:
    """S3's event, shortened; keys are encoded."""
    return json.dumps(
        {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": source,
                    "eventName": name,
                    "s3": {"bucket": {"name": "lake"}, "object": {"key": key, "size": 1, "eTag": "x"}},
                }
                for key in keys
            ]
        }
    )


def test_keys_are_decoded() -> None:
    assert new_objects(event("raw/day%3D1/a+b%2Bc.csv", "raw/%C3%A4.csv")) == [
        NewObject("lake", "raw/day=1/a b+c.csv"),
        NewObject("lake", "raw/ä.csv"),
    ]


def test_what_sns_has_wrapped_is_the_same() -> None:
    wrapped = json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": event("a.csv")})
    assert new_objects(wrapped) == [NewObject("lake", "a.csv")]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"}),
        event("a.csv", name="ObjectRemoved:Delete"),
        json.dumps({"Records": []}),
    ],
)
def test_tests_and_removals_name_nothing(body: str) -> None:
    assert new_objects(body) == []


@pytest.mark.parametrize(
    "body",
    ["", "[]", "null", '"x"', "{}", '{"Records": 1}', '{"Records": [{}]}', event("a", source="aws:sns")],
)
def test_anything_else_is_no_message_of_s3(body: str) -> None:
    assert new_objects(body) is None
