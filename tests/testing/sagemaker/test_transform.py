"""Batch transform: a real container answers for every object."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from botocore.exceptions import ClientError

from airflow_mlops.testing.sagemaker import Fault
from tests.testing.sagemaker.jobs import IMAGE, ROLE, archive

pytestmark = pytest.mark.long

DOUBLE = """
import json, os, sys, time
def model_fn(folder): return json.load(open(folder + "/factor.json"))
def input_fn(body, kind):
    text = body.decode() if isinstance(body, bytes) else body
    if "bad" in text: raise ValueError("bad row")
    if "slow" in text: time.sleep(600)
    return json.loads(text) if "json" in kind else [float(line) for line in text.split("\\n")]
def predict_fn(data, factor): return [one * factor for one in data]
def output_fn(prediction, accept):
    # one write: print() makes one of each part, and two requests at a time would mix them
    sys.stdout.write(f"answered {len(prediction)} {os.environ['SAGEMAKER_BATCH']}\\n")
    sys.stdout.flush()
    if "json" in accept: return json.dumps(prediction), accept
    return "\\n".join(str(one) for one in prediction), accept
"""
CSV, JSON = "text/csv", "application/json"


@pytest.fixture
def sagemaker(world):
    files = {"factor.json": "2", "code/inference.py": DOUBLE}
    world.s3.put_object(Bucket=world.bucket, Key="model.tar.gz", Body=archive(files))
    client = world.aws.client("sagemaker")
    client.create_model(ModelName="double", ExecutionRoleArn=ROLE, PrimaryContainer=container(world))
    return client


def container(world):
    return {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{world.bucket}/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        },
    }


def request(world, name, kind=CSV, *, given=None, output=None, **changed):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{world.bucket}/in/"}}
    return {
        "TransformJobName": name,
        "ModelName": "double",
        "TransformInput": {"DataSource": source, "ContentType": kind, **(given or {})},
        "TransformOutput": {"S3OutputPath": f"s3://{world.bucket}/out", "Accept": kind, **(output or {})},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changed,
    }


def put(world, name, text):
    body = text if isinstance(text, bytes) else text.encode()
    world.s3.put_object(Bucket=world.bucket, Key=f"in/{name}", Body=body)


def outputs(world):
    listed = world.s3.list_objects_v2(Bucket=world.bucket, Prefix="out/").get("Contents", ())
    keys = [one["Key"] for one in listed]
    return {
        key[4:]: world.s3.get_object(Bucket=world.bucket, Key=key)["Body"].read().decode() for key in keys
    }


def ended(sagemaker, name, seconds=120):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        job = sagemaker.describe_transform_job(TransformJobName=name)
        if job["TransformJobStatus"] in {"Completed", "Failed", "Stopped"}:
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def log(world, name, ending=""):
    logs, group = world.aws.client("logs"), "/aws/sagemaker/TransformJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    return [
        event["message"]
        for stream in streams
        if stream["logStreamName"].endswith(ending)
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]


class TestAJobThatWorks:
    def test_every_object_has_an_output_of_its_name(self, world, sagemaker):
        put(world, "a.csv", "1\n2\n")
        put(world, "sub/b.csv", "3\n")
        sagemaker.create_transform_job(**request(world, "job", given={"SplitType": "Line"}))
        job = ended(sagemaker, "job")
        assert job["TransformJobStatus"] == "Completed"
        assert outputs(world) == {"a.csv.out": "2.0\n4.0", "sub/b.csv.out": "6.0"}
        assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
        assert "answered 2 true" in log(world, "job")

    def test_single_records_are_assembled_by_line(self, world, sagemaker):
        put(world, "a.csv", "1\n2\n3\n")
        wanted = request(
            world,
            "job",
            given={"SplitType": "Line"},
            output={"AssembleWith": "Line"},
            BatchStrategy="SingleRecord",
            MaxConcurrentTransforms=2,
        )
        sagemaker.create_transform_job(**wanted)
        ended(sagemaker, "job")
        assert outputs(world) == {"a.csv.out": "2.0\n4.0\n6.0\n"}
        assert log(world, "job").count("answered 1 true") == 3

    def test_whole_objects_compressed(self, world, sagemaker):
        put(world, "a.json.gz", gzip.compress(b"[1, 2]"))
        sagemaker.create_transform_job(**request(world, "job", JSON, given={"CompressionType": "Gzip"}))
        ended(sagemaker, "job")
        assert outputs(world) == {"a.json.gz.out": "[2, 4]"}

    def test_the_input_joined(self, world, sagemaker):
        put(world, "a.csv", "1\n2\n")
        joined = {"JoinSource": "Input"}
        sagemaker.create_transform_job(
            **request(world, "job", given={"SplitType": "Line"}, DataProcessing=joined)
        )
        ended(sagemaker, "job")
        assert outputs(world) == {"a.csv.out": "1,2.0\n2,4.0\n"}

    def test_json_joined(self, world, sagemaker):
        put(world, "a.json", "[1, 2]")
        sagemaker.create_transform_job(**request(world, "job", JSON, DataProcessing={"JoinSource": "Input"}))
        ended(sagemaker, "job")
        assert json.loads(outputs(world)["a.json.out"]) == {
            "SageMakerInput": [1, 2],
            "SageMakerOutput": [2, 4],
        }


class TestAJobThatFails:
    def test_an_object_that_fails_has_no_output_and_the_others_have(self, world, sagemaker):
        put(world, "a.csv", "bad")
        put(world, "b.csv", "1")
        sagemaker.create_transform_job(**request(world, "job"))
        job = ended(sagemaker, "job")
        assert job["TransformJobStatus"] == "Failed"
        assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
        assert outputs(world) == {"b.csv.out": "2.0"}
        assert any("in/a.csv: AlgorithmError: 500" in line for line in log(world, "job", "data-log"))
        assert any("ValueError: bad row" in line for line in log(world, "job"))

    def test_a_model_whose_data_went_away(self, world, sagemaker):
        put(world, "a.csv", "1")
        world.s3.delete_object(Bucket=world.bucket, Key="model.tar.gz")
        sagemaker.create_transform_job(**request(world, "job"))
        assert ended(sagemaker, "job")["FailureReason"].startswith(
            "ClientError: Failed to download model data"
        )

    def test_no_machines(self, world, sagemaker):
        put(world, "a.csv", "1")
        world.sagemaker.order(Fault("capacity", "CreateTransformJob"))
        sagemaker.create_transform_job(**request(world, "job"))
        assert ended(sagemaker, "job")["FailureReason"].startswith("CapacityError")


class TestStopping:
    def test_it_gives_up_what_is_on_its_way(self, world, sagemaker):
        put(world, "a.csv", "slow")
        sagemaker.create_transform_job(**request(world, "job"))
        limit = time.monotonic() + 120
        while not log_or_none(world, "job") and time.monotonic() < limit:
            time.sleep(0.02)
        sagemaker.stop_transform_job(TransformJobName="job")
        assert ended(sagemaker, "job")["TransformJobStatus"] == "Stopped"
        assert outputs(world) == {}
        with pytest.raises(ClientError, match="the transform job is in status Stopped"):
            sagemaker.stop_transform_job(TransformJobName="job")


def log_or_none(world, name):
    try:
        return log(world, name, "data-log")
    except ClientError:
        return None


class TestRequests:
    @pytest.fixture(autouse=True)
    def _data(self, world):
        put(world, "a.csv", "1")

    def test_names_are_unique(self, world, sagemaker):
        sagemaker.create_transform_job(**request(world, "job"))
        with pytest.raises(ClientError, match="Job name must be unique") as error:
            sagemaker.create_transform_job(**request(world, "job"))
        assert error.value.response["Error"]["Code"] == "ResourceInUse"

    @pytest.mark.parametrize(
        "changed, said",
        [
            ({"ModelName": "nothing"}, "Could not find model"),
            ({"MaxConcurrentTransforms": 20}, "must not exceed 100 MB"),
            ({"DataProcessing": {"InputFilter": "$[1:]"}}, "no InputFilter"),
        ],
    )
    def test_what_is_wrong(self, world, sagemaker, changed, said):
        with pytest.raises(ClientError, match=said):
            sagemaker.create_transform_job(**request(world, "job", **changed))

    def test_models_with_a_data_source_are_not_for_batches(self, world, sagemaker):
        source = {
            "S3Uri": f"s3://{world.bucket}/model.tar.gz",
            "S3DataType": "S3Object",
            "CompressionType": "Gzip",
        }
        model = {"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}}
        sagemaker.create_model(ModelName="other", ExecutionRoleArn=ROLE, PrimaryContainer=model)
        with pytest.raises(ClientError, match="doesn't support Model entity"):
            sagemaker.create_transform_job(**request(world, "job", ModelName="other"))

    def test_missing(self, sagemaker):
        with pytest.raises(ClientError, match="Could not find requested job with name: nowhere"):
            sagemaker.describe_transform_job(TransformJobName="nowhere")

    def test_lists_newest_first(self, world, sagemaker):
        for name in ("first", "second"):
            sagemaker.create_transform_job(**request(world, name))
        listed = sagemaker.list_transform_jobs()["TransformJobSummaries"]
        assert [one["TransformJobName"] for one in listed] == ["second", "first"]
