"""What AWS refuses, the simulator refuses, in the same words."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import botocore.session
import pytest
from botocore.exceptions import ClientError

from airflow_mlops.testing.sagemaker.api import OPERATIONS, ApiError
from airflow_mlops.testing.sagemaker.protocol import Call, check_answer
from airflow_mlops.testing.sagemaker.validation import _compiled, problems
from tests.core.aws.world import TestAws
from tests.testing.sagemaker.jobs import request


@pytest.fixture(scope="module")
def create():
    """The shape of CreateTrainingJob's request."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model("CreateTrainingJob").input_shape


def given(**changed):
    whole = {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::123456789012:role/mlops",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    }
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


class TestValidation:
    def test_a_right_request(self, create):
        assert problems(create, given()) is None

    @pytest.mark.parametrize(
        "changed, said",
        [
            ({"TrainingJobName": "a_b"}, "Member must satisfy regular expression pattern: "),
            ({"HyperParameters": {"a": "b" * 2501}}, "Member must have length less than or equal to 2500"),
            (
                {"RoleArn": None},
                "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
            ),
            (
                {"AlgorithmSpecification": {"TrainingInputMode": "Stream"}},
                "trainingInputMode' failed to satisfy constraint: Member must satisfy enum value set: [Pipe, File, ",
            ),
            ({"HyperParameters": {"depth": 3}}, "'hyperParameters.depth.member'"),
            (
                {"StoppingCondition": {"MaxRuntimeInSeconds": 0}},
                "Member must have value greater than or equal to 1",
            ),
            ({"Tags": [{"Key": "a"}]}, "'tags.1.member.value'"),
            ({"Spot": True}, "Unknown member 'spot'"),
            ({"EnableManagedSpotTraining": "yes"}, "Member must be of type boolean"),
        ],
    )
    def test_what_is_wrong_is_named_as_aws_names_it(self, create, changed, said):
        found = problems(create, given(**changed))
        assert found.startswith("1 validation error detected: ")
        assert said in found

    def test_several_are_counted(self, create):
        # as in https://github.com/zenml-io/zenml/issues/1502
        found = problems(create, given(TrainingJobName="a" * 64))
        assert found.startswith("2 validation errors detected: ")
        assert "Member must have length less than or equal to 63" in found

    def test_patterns_with_unicode_classes_are_checked(self):
        pattern = _compiled(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$")
        assert pattern.fullmatch("Größe: 1 / x")
        assert not pattern.fullmatch("a\x00b")

    def test_every_pattern_of_every_operation_is_understood(self):
        unknown = set()
        for service, name in OPERATIONS:
            model = botocore.session.get_session().get_service_model(service).operation_model(name)
            for shape in (model.input_shape, model.output_shape):
                unknown |= {p for p in patterns(shape, set()) if _compiled(p) is None}
        assert unknown == set()

    def test_a_wrong_answer_is_a_defect_of_the_simulator(self):
        with pytest.raises(ApiError) as error:
            check_answer(Call("sagemaker", "CreateTrainingJob", {}, "json"), {"TrainingJobArn": "job"})
        assert (error.value.code, error.value.status) == ("InternalFailure", 500)


def patterns(shape, seen):
    if shape is None or shape.name in seen:
        return set()
    seen.add(shape.name)
    found = {shape.metadata["pattern"]} if "pattern" in shape.metadata else set()
    below = {
        "structure": lambda: list(shape.members.values()),
        "list": lambda: [shape.member],
        "map": lambda: [shape.key, shape.value],
    }.get(shape.type_name, list)
    return found.union(*(patterns(one, seen) for one in below()))


class TestOverTheWire:
    def test_botocore_lets_a_pattern_pass_and_the_simulator_does_not(self, world):
        with pytest.raises(ClientError, match="Value 'a_b' at 'trainingJobName'") as error:
            world.aws.client("sagemaker").create_training_job(**request(world, "a_b", "pass"))
        assert error.value.response["Error"]["Code"] == "ValidationException"
        assert error.value.response["ResponseMetadata"]["RequestId"]

    def test_another_region(self, world):
        elsewhere = TestAws(world.sagemaker.url, world.server, "us-east-1")
        with pytest.raises(ClientError, match="scoped to a valid region, not 'us-east-1'"):
            elsewhere.client("sagemaker").list_training_jobs()

    def test_without_a_signature(self, world):
        asked = urllib.request.Request(
            world.sagemaker.url, b"{}", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}
        )
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(asked)
        assert error.value.code == 403
        assert json.loads(error.value.read())["__type"] == "MissingAuthenticationTokenException"

    def test_an_operation_that_is_not_simulated_says_so(self, world):
        with pytest.raises(ClientError, match="sagemaker:ListNotebookInstances is not simulated"):
            world.aws.client("sagemaker").list_notebook_instances()
