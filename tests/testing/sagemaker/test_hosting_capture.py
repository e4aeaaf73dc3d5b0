"""What data capture writes, of production and shadow variants."""

from __future__ import annotations

import base64
import json
import re

import pytest
from botocore.exceptions import ClientError

from tests.testing.sagemaker.hosted import Hosted, variant


@pytest.fixture
def hosted(world):
    return Hosted(world)


def capture(hosted, **more):
    return {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{hosted.world.bucket}/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
        **more,
    }


def captured(hosted):
    """The lines by key."""
    hosted.advance(seconds=1)
    world = hosted.world
    keys = [
        one["Key"]
        for one in world.s3.list_objects_v2(Bucket=world.bucket, Prefix="captures/").get("Contents", ())
    ]
    bodies = {key: world.s3.get_object(Bucket=world.bucket, Key=key)["Body"].read() for key in sorted(keys)}
    return {key: [json.loads(line) for line in body.splitlines()] for key, body in bodies.items()}


def test_a_line_is_as_sagemaker_writes_it(hosted):
    hosted.create(hosted.config(variant(hosted.model(1)), DataCaptureConfig=capture(hosted)))
    hosted.invoke({"x": [1]}, InferenceId="i-1", CustomAttributes="mlops-chosen=target")
    ((key, (line,)),) = captured(hosted).items()
    pattern = rf"captures/{hosted.name}/v1/\d{{4}}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{{3}}-[0-9a-f-]{{36}}\.jsonl"
    assert re.fullmatch(pattern, key)
    output = line["captureData"].pop("endpointOutput")
    assert line["captureData"] == {
        "endpointInput": {
            "observedContentType": "application/json",
            "mode": "INPUT",
            "data": '{"x": [1]}',
            "encoding": "JSON",
        }
    }
    assert json.loads(output["data"])["predictions"] == [2]
    assert re.fullmatch(r"[0-9a-f-]{36}", line["eventMetadata"].pop("eventId"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["eventMetadata"].pop("inferenceTime"))
    assert line["eventMetadata"] == {"inferenceId": "i-1", "customAttributes": ["mlops-chosen=target"]}
    assert line["eventVersion"] == "0"


def test_content_types_that_were_not_named_are_base64(hosted):
    config = capture(hosted, CaptureContentTypeHeader={"CsvContentTypes": ["text/csv"]})
    hosted.create(hosted.config(variant(hosted.model(1)), DataCaptureConfig=config))
    hosted.invoke({"x": [1]})
    ((line,),) = captured(hosted).values()
    given = line["captureData"]["endpointInput"]
    assert (given["encoding"], base64.b64decode(given["data"])) == ("BASE64", b'{"x": [1]}')


def test_only_what_was_answered_and_only_as_often_as_asked(hosted):
    config = capture(hosted, InitialSamplingPercentage=50, CaptureOptions=[{"CaptureMode": "Output"}])
    hosted.create(hosted.config(variant(hosted.model(1)), DataCaptureConfig=config))
    with pytest.raises(ClientError):
        hosted.invoke({"fail": 1})
    for _ in range(100):
        hosted.invoke()
    lines = [line for lines in captured(hosted).values() for line in lines]
    # 50 are expected, with a standard deviation of 5
    assert 25 < len(lines) < 75
    assert {tuple(line["captureData"]) for line in lines} == {("endpointOutput",)}


def test_a_shadow_sees_every_request_and_its_answers_are_captured_under_its_name(hosted):
    config = hosted.config(
        variant(hosted.model(1)),
        ShadowProductionVariants=[variant(hosted.model(5), "v2")],
        DataCaptureConfig=capture(hosted),
    )
    described = hosted.create(config)
    assert [one["VariantName"] for one in described["ShadowProductionVariants"]] == ["v2"]
    assert {hosted.invoke(InferenceId=f"i-{number}") == ([2], "v1") for number in range(20)} == {True}
    by_variant: dict[str, dict[str, list[float]]] = {"v1": {}, "v2": {}}
    for key, lines in captured(hosted).items():
        for line in lines:
            predictions = json.loads(line["captureData"]["endpointOutput"]["data"])["predictions"]
            by_variant[key.split("/")[2]][line["eventMetadata"]["inferenceId"]] = predictions
    wanted = {f"i-{number}" for number in range(20)}
    assert by_variant == {"v1": {name: [2] for name in wanted}, "v2": {name: [6] for name in wanted}}


def test_a_shadow_that_fails_or_is_slow_is_nobodys_business(hosted):
    broken = "def model_fn(model_dir):\n    return None\ndef input_fn(content, content_type):\n    raise KeyError\n"
    hosted.create(
        hosted.config(
            variant(hosted.model(1)),
            ShadowProductionVariants=[variant(hosted.model(script=broken), "v2")],
            DataCaptureConfig=capture(hosted),
        )
    )
    assert hosted.invoke() == ([2], "v1")
    assert {key.split("/")[2] for key in captured(hosted)} == {"v1"}
    with pytest.raises(ClientError, match="v2"):
        hosted.invoke(TargetVariant="v2")


def test_a_shadow_gets_the_share_of_its_weight(hosted):
    config = hosted.config(
        variant(hosted.model(1)),
        ShadowProductionVariants=[variant(hosted.model(5), "v2", 0.25)],
        DataCaptureConfig=capture(hosted),
    )
    hosted.create(config)
    for _ in range(100):
        hosted.invoke()
    counts = {"v1": 0, "v2": 0}
    for key, lines in captured(hosted).items():
        counts[key.split("/")[2]] += len(lines)
    assert counts["v1"] == 100
    # 25 are expected, with a standard deviation of 4.3
    assert 5 < counts["v2"] < 50


def test_what_was_captured_is_written_when_the_simulator_stops(s3_server):
    import contextlib

    from tests.core.aws.world import simulated

    with simulated(contextlib.nullcontext(s3_server)) as world:
        hosted = Hosted(world)
        hosted.create(hosted.config(variant(hosted.model(1)), DataCaptureConfig=capture(hosted)))
        hosted.invoke()
    assert world.s3.list_objects_v2(Bucket=world.bucket, Prefix="captures/")["KeyCount"] == 1
