"""Training jobs for tests: a script in an archive on S3, and the request that runs it."""

from __future__ import annotations

import io
import tarfile
import time
from typing import Any

from tests.core.aws.world import World

ROLE = "arn:aws:iam::123456789012:role/mlops"
IMAGE = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"


def archive(files: dict[str, str]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return held.getvalue()


def request(world: World, name: str, script: str, **changed: Any) -> dict[str, Any]:
    """Of CreateTrainingJob, with the script put into the bucket. :param changed: members that differ."""
    key = f"code/{name}.tar.gz"
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=archive({"train.py": script}))
    parameters = changed.pop("HyperParameters", {})
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{world.bucket}/{key}",
            **parameters,
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{world.bucket}/out"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **changed,
    }


def start(world: World, name: str, script: str, **changed: Any) -> None:
    world.aws.client("sagemaker").create_training_job(**request(world, name, script, **changed))


def describe(world: World, name: str) -> dict[str, Any]:
    return world.aws.client("sagemaker").describe_training_job(TrainingJobName=name)


def until(world: World, name: str, *states: str, seconds: float = 120) -> dict[str, Any]:
    """The job once its secondary status is one of these; fails when it ends otherwise."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = describe(world, name)
        if found["SecondaryStatus"] in states:
            return found
        if found["TrainingJobStatus"] in {"Completed", "Failed", "Stopped"}:
            break
        time.sleep(0.02)
    raise AssertionError(
        f"{name} is {found['SecondaryStatus']}, not {states}: {found.get('FailureReason')}\n{printed(world, name)}"
    )


def printed(world: World, name: str, algo: int = 1) -> list[str]:
    """Everything the newest attempt of a machine has printed, read as clients do: page by page."""
    logs = world.aws.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/algo-{algo}-")
    stream, lines, token = found["logStreams"][-1]["logStreamName"], [], None
    while True:
        given = {"nextToken": token} if token else {}
        page = logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True, limit=7, **given
        )
        lines += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token:
            return lines
        token = page["nextForwardToken"]


def states(job: dict[str, Any]) -> list[str]:
    return [one["Status"] for one in job["SecondaryStatusTransitions"]]


def files_of(world: World, uri: str) -> dict[str, bytes]:
    """What a ``.tar.gz`` on S3 holds."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = world.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}
