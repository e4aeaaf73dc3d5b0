"""Who answers requests, and what becomes of errors."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from botocore.exceptions import ClientError

from airflow_mlops.testing.sagemaker.faults import Fault
from tests.testing.sagemaker.hosted import SCRIPT, Hosted, variant

pytestmark = pytest.mark.long


@pytest.fixture
def hosted(world):
    return Hosted(world)


def test_weights_share_requests_out(hosted):
    hosted.create(hosted.config(variant(hosted.model(1), weight=3), variant(hosted.model(2), "v2", 1)))
    hosted.world.sagemaker.simulator.room(_hosting()).random.seed(7)
    counts = Counter(hosted.invoke()[1] for _ in range(200))
    # 150 are expected, with a standard deviation of 6
    assert 125 < counts["v1"] < 175


def test_a_target_variant_answers_whatever_its_weight(hosted):
    hosted.create(hosted.config(variant(hosted.model(1)), variant(hosted.model(2), "v2", 0)))
    assert hosted.invoke(TargetVariant="v2") == ([3], "v2")
    with pytest.raises(ClientError, match="other") as failed:
        hosted.invoke(TargetVariant="other")
    assert failed.value.response["Error"]["Code"] == "ValidationError"


def test_an_unknown_endpoint_and_one_that_is_not_ready_are_not_found(hosted):
    with pytest.raises(
        ClientError, match=f"Endpoint {hosted.name} of account 123456789012 not found"
    ) as failed:
        hosted.invoke()
    assert failed.value.response["Error"]["Code"] == "ValidationError"
    hosted.sagemaker.create_endpoint(
        EndpointName=hosted.name, EndpointConfigName=hosted.config(variant(hosted.model()))
    )
    with pytest.raises(ClientError, match="not found"):
        hosted.invoke()


def test_an_error_of_the_model_is_told_with_its_status_and_words(hosted):
    refusing = """
from flask import Response

def model_fn(model_dir):
    return None

def input_fn(content, content_type):
    return content

def predict_fn(data, model):
    return data

def output_fn(prediction, accept):
    return Response("row 1: no carrier", status=400, mimetype="text/plain")
"""
    hosted.create(
        hosted.config(variant(hosted.model(script=refusing)), variant(hosted.model(), "v2", weight=0))
    )
    with pytest.raises(ClientError) as failed:
        hosted.invoke()
    answer = failed.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    assert (answer["OriginalStatusCode"], answer["OriginalMessage"]) == (400, "row 1: no carrier")
    assert answer["Error"]["Message"].startswith(
        'Received client error (400) from primary with message "row 1: no carrier". See https://eu-central-1.'
    )
    with pytest.raises(ClientError) as failed:
        hosted.invoke({"fail": 1}, TargetVariant="v2")
    assert failed.value.response["OriginalStatusCode"] == 500
    assert "Internal Server Error" in failed.value.response["OriginalMessage"]


def test_content_types_that_the_container_does_not_know(hosted):
    plain = "def model_fn(model_dir):\n    return None\n"
    hosted.create(hosted.config(variant(hosted.model(script=plain))))
    with pytest.raises(ClientError) as failed:
        hosted.invoke()
    assert failed.value.response["OriginalStatusCode"] == 415


def test_a_container_that_crashes_is_started_again(hosted):
    hosted.create(hosted.config(variant(hosted.model(1))))
    with pytest.raises(ClientError) as failed:
        hosted.invoke({"crash": 1})
    assert failed.value.response["OriginalStatusCode"] == 502

    statuses = []

    def answers() -> bool:
        try:
            return hosted.invoke() == ([2], "v1")
        except ClientError as error:
            statuses.append(error.response["OriginalStatusCode"])
            return False

    hosted.until(answers)
    assert set(statuses) <= {502}


def test_throttling_can_be_ordered(hosted):
    hosted.create(hosted.config(variant(hosted.model())))
    hosted.world.sagemaker.order(Fault("error", "InvokeEndpoint", code="ThrottlingException", times=1))
    assert hosted.invoke() == ([1], "v1")  # boto3 tries again
    hosted.world.sagemaker.order(Fault("error", "InvokeEndpoint", code="AccessDeniedException", message="no"))
    with pytest.raises(ClientError, match="no"):
        hosted.invoke()


def test_no_request_fails_while_an_endpoint_is_updated_and_weighed(hosted):
    models = [hosted.model(1), hosted.model(2)]
    configs = [hosted.config(variant(model), variant(model, "v2", 0)) for model in models]
    hosted.create(configs[0])
    failures: list[Exception] = []
    answers: Counter[float] = Counter()
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            try:
                answers[hosted.invoke({"x": [1], "sleep": 0.005})[0][0]] += 1
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for config in (configs[1], configs[0], configs[1]):
            hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=config)
            assert hosted.settled()["EndpointConfigName"] == config
        hosted.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=hosted.name,
            DesiredWeightsAndCapacities=[
                {"VariantName": "v1", "DesiredWeight": 0},
                {"VariantName": "v2", "DesiredWeight": 1},
            ],
        )
        hosted.settled()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert set(answers) == {2, 3}


def test_a_request_on_its_way_is_answered_by_the_old_fleet(hosted):
    hosted.create(hosted.config(variant(hosted.model(1))))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(hosted.invoke({"x": [1], "sleep": 4})))
    thread.start()
    hosted.until(lambda: _in_flight(hosted))
    second = hosted.config(variant(hosted.model(2), "v2"))
    hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=second)
    hosted.settled()
    thread.join()
    assert answers == [([2], "v1")]


def test_custom_attributes_reach_the_container_and_headers_the_caller(hosted):
    hosted.create(hosted.config(variant(hosted.model(script=SCRIPT))))
    answer = hosted.runtime.invoke_endpoint(
        EndpointName=hosted.name, Body=b'{"x": []}', ContentType="application/json", CustomAttributes="a=1"
    )
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "v1"


def _hosting():
    from airflow_mlops.testing.sagemaker.hosting import Hosting

    return Hosting


def _in_flight(hosted):
    return any(one.in_flight for one in hosted.world.sagemaker.simulator.room(_hosting())._containers)
