"""Training jobs: real programs, real files, and the states that SageMaker documents."""

from __future__ import annotations

import contextlib
import json
import os
import time
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from airflow_mlops.testing.sagemaker import Fault, Timing
from tests.core.aws.world import simulated
from tests.testing.sagemaker.jobs import describe, files_of, printed, request, start, states, until

pytestmark = pytest.mark.long

SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(600)\n"
HAPPY = ["Starting", "Downloading", "Training", "Uploading", "Completed"]

TRAIN = """
import json, os, pathlib, sys
print("args", sys.argv[1:])
print("env", json.dumps({k: v for k, v in os.environ.items() if k.startswith("SM_") or k == "OWN"}))
data = "".join(sorted(p.read_text() for p in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).rglob("*") if p.is_file()))
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(data)
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "seen.json").write_text("{}")
"""


def channel(world, name="train", key="data/", **source):
    uri = f"s3://{world.bucket}/{key}"
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **source}},
    }


def put(world, **objects):
    for name, text in objects.items():
        world.s3.put_object(Bucket=world.bucket, Key=f"data/{name}.csv", Body=text.encode())


def code_of(error):
    return error.value.response["Error"]["Code"]


class TestAJobThatWorks:
    def test_it_goes_through_all_states_and_leaves_its_model(self, world):
        put(world, a="1,2\n", b="3,4\n")
        start(world, "job", TRAIN, InputDataConfig=[channel(world)])
        job = until(world, "job", "Completed")
        assert states(job) == HAPPY
        assert job["TrainingJobStatus"] == "Completed"
        uri = job["ModelArtifacts"]["S3ModelArtifacts"]
        assert uri == f"s3://{world.bucket}/out/job/output/model.tar.gz"
        assert files_of(world, uri) == {"model.txt": b"1,2\n3,4\n"}
        assert files_of(world, uri.replace("model.tar", "output.tar")) == {"seen.json": b"{}"}
        assert job["TrainingStartTime"] <= job["TrainingEndTime"]
        assert job["BillableTimeInSeconds"] >= 1

    def test_the_program_finds_what_the_toolkit_gives(self, world):
        put(world, a="1\n")
        start(
            world,
            "job",
            TRAIN,
            InputDataConfig=[channel(world)],
            HyperParameters={"max_depth": "3", "names": '["a"]', "objective": "binary:logistic"},
            Environment={"OWN": "/opt/ml/model/x"},
        )
        until(world, "job", "Completed")
        lines = dict(line.split(" ", 1) for line in printed(world, "job") if line.startswith(("args", "env")))
        assert lines["args"] == "['--max_depth', '3', '--names', \"['a']\", '--objective', 'binary:logistic']"
        env = json.loads(lines["env"])
        assert json.loads(env["SM_HPS"]) == {"max_depth": 3, "names": ["a"], "objective": "binary:logistic"}
        assert json.loads(env["SM_HOSTS"]) == [env["SM_CURRENT_HOST"]] == ["127.0.0.1"]
        assert env["SM_HP_MAX_DEPTH"] == "3"
        assert env["SM_NUM_CPUS"] == str(os.cpu_count())
        assert env["SM_MODULE_NAME"] == "train"
        assert json.loads(env["SM_TRAINING_ENV"])["hyperparameters"]["max_depth"] == 3
        assert env["OWN"] == env["SM_MODEL_DIR"] + "/x"

    def test_no_state_of_it_passes_by_itself_when_time_stands(self, s3_server):
        timing = Timing(step=timedelta(hours=1))
        with simulated(contextlib.nullcontext(s3_server), timing=timing) as world:
            start(world, "job", "print('hello')")
            assert describe(world, "job")["SecondaryStatus"] == "Starting"
            world.sagemaker.advance(timedelta(minutes=59))
            assert describe(world, "job")["SecondaryStatus"] == "Starting"
            world.sagemaker.advance(timedelta(minutes=1))
            until(world, "job", "Training")
            world.sagemaker.advance(timedelta(hours=1))
            until(world, "job", "Uploading")
            world.sagemaker.advance(timedelta(hours=1))
            job = until(world, "job", "Completed")
        assert states(job) == HAPPY
        assert job["TrainingTimeInSeconds"] >= 7200

    def test_what_the_container_does_not_have_must_be_in_the_archive(self, world):
        start(world, "without", "import airflow_mlops")
        until(world, "without", "Failed")
        assert any("SageMaker's container does not have it" in line for line in printed(world, "without"))

    def test_several_machines_are_processes_that_reach_each_other(self, world):
        script = """
import json, os, pathlib, socket
hosts, me = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
port = int(os.environ["SM_HP_PORT"])
if me == hosts[0]:
    server = socket.create_server((me, port))
    peer, _ = server.accept()
    print("heard", peer.recv(5))
else:
    while True:
        try:
            socket.create_connection((hosts[0], port)).send(b"hello"); break
        except OSError:
            pass
own = "".join(p.read_text() for p in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir())
pathlib.Path(os.environ["SM_MODEL_DIR"], me).write_text(own)
"""
        put(world, a="1", b="2")
        from tests.servers.process import free_port

        sharded = channel(world, S3DataDistributionType="ShardedByS3Key")
        machines = {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        start(
            world,
            "job",
            script,
            InputDataConfig=[sharded],
            ResourceConfig=machines,
            HyperParameters={"port": str(free_port())},
        )
        job = until(world, "job", "Completed")
        assert files_of(world, job["ModelArtifacts"]["S3ModelArtifacts"]) == {
            "127.0.0.1": b"1",
            "127.0.0.2": b"2",
        }
        assert any("heard b'hello'" in line for line in printed(world, "job", 1))


class TestAJobThatFails:
    def test_the_reason_is_what_the_xgboost_container_leaves(self, world):
        script = "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('mine'); raise SystemExit(3)"
        start(world, "job", script)
        job = until(world, "job", "Failed")
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nCommand ")
        assert job["FailureReason"].endswith(", exit code: 1")
        assert "mine" not in job["FailureReason"]

    def test_another_container_keeps_the_failure_of_the_script(self, world):
        script = "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('no rows'); raise SystemExit(3)"
        other = {"TrainingImage": "1.dkr.ecr.eu-central-1.amazonaws.com/own:1", "TrainingInputMode": "File"}
        start(world, "job", script, AlgorithmSpecification=other)
        assert until(world, "job", "Failed")["FailureReason"] == "AlgorithmError: no rows, exit code: 1"

    def test_a_traceback_is_in_the_log(self, world):
        start(world, "job", "raise RuntimeError('boom')")
        until(world, "job", "Failed")
        assert "RuntimeError: boom" in printed(world, "job")

    def test_code_that_is_not_there(self, world):
        given = request(world, "job", "pass")
        given["HyperParameters"]["sagemaker_submit_directory"] = f"s3://{world.bucket}/nowhere.tar.gz"
        world.aws.client("sagemaker").create_training_job(**given)
        assert until(world, "job", "Failed")["FailureReason"].startswith("ClientError: Data download failed")

    def test_no_machines(self, world):
        world.sagemaker.order(Fault("capacity"))
        start(world, "job", "pass")
        job = until(world, "job", "Failed")
        assert job["FailureReason"].startswith(
            "CapacityError: Unable to provision requested ML compute capacity"
        )
        assert "TrainingStartTime" not in job


class TestStopping:
    def test_the_program_gets_sigterm_and_what_it_has_is_kept(self, world):
        script = """
import os, pathlib, signal, sys, time
def stop(*_):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "half").write_text("half"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(600)
"""
        start(world, "job", script)
        wait_for_line(world, "job", "ready")
        world.aws.client("sagemaker").stop_training_job(TrainingJobName="job")
        assert describe(world, "job")["TrainingJobStatus"] == "Stopping"
        job = until(world, "job", "Stopped")
        assert states(job)[-2:] == ["Stopping", "Stopped"]
        assert files_of(world, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"half": b"half"}

    def test_who_does_not_listen_is_killed_after_two_minutes(self, world):
        script = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
        start(world, "job", script)
        wait_for_line(world, "job", "ready")
        world.aws.client("sagemaker").stop_training_job(TrainingJobName="job")
        world.sagemaker.advance(timedelta(seconds=100))
        assert describe(world, "job")["TrainingJobStatus"] == "Stopping"
        world.sagemaker.advance(timedelta(seconds=20))
        assert until(world, "job", "Stopped")["TrainingJobStatus"] == "Stopped"

    def test_before_it_trains(self, s3_server):
        with simulated(contextlib.nullcontext(s3_server), timing=Timing(step=timedelta(hours=1))) as world:
            start(world, "job", SLEEP)
            world.aws.client("sagemaker").stop_training_job(TrainingJobName="job")
            world.sagemaker.advance(timedelta(hours=1))
            job = describe(world, "job")
            assert states(job) == ["Starting", "Stopping", "Stopped"]

    def test_a_job_that_has_ended_can_not_be_stopped(self, world):
        start(world, "job", "pass")
        until(world, "job", "Completed")
        with pytest.raises(ClientError, match="the training job is in status Completed"):
            world.aws.client("sagemaker").stop_training_job(TrainingJobName="job")

    def test_the_longest_runtime(self, world):
        start(world, "job", SLEEP)
        wait_for_line(world, "job", "ready")
        world.sagemaker.advance(timedelta(seconds=3600))
        job = until(world, "job", "MaxRuntimeExceeded")
        assert job["TrainingJobStatus"] == "Stopped"
        assert job["BillableTimeInSeconds"] >= 3600

    def test_by_sagemaker_itself(self, world):
        world.sagemaker.order(Fault("stopped"))
        start(world, "job", SLEEP)
        assert until(world, "job", "Stopped")["TrainingJobStatus"] == "Stopped"

    def test_programs_end_with_the_simulator(self, s3_server):
        with simulated(contextlib.nullcontext(s3_server)) as world:
            start(world, "job", "import os\nprint('pid', os.getpid(), flush=True)\n" + SLEEP)
            line = wait_for_line(world, "job", "pid")
        assert not os.path.exists(f"/proc/{line.split()[1]}")


SPOT = {"EnableManagedSpotTraining": True}
COUNT = """
import json, os, pathlib, time
folder = pathlib.Path(json.load(open(os.environ["SM_CHECKPOINT_CONFIG_FILE"]))["LocalPath"])
before = sorted(p.name for p in folder.iterdir())
print("found", before, flush=True)
(folder / f"step-{len(before)}").write_text("x")
if not before:
    time.sleep(600)
"""


class TestSpot:
    def conditions(self, world):
        return {
            **SPOT,
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
            "CheckpointConfig": {"S3Uri": f"s3://{world.bucket}/checkpoints/job"},
        }

    def test_an_interrupted_job_goes_on_from_its_checkpoints(self, world):
        world.sagemaker.order(Fault("interrupted"))
        start(world, "job", COUNT, **self.conditions(world))
        job = until(world, "job", "Completed")
        assert states(job) == ["Starting", "Downloading", "Training", "Interrupted", *HAPPY]
        assert "found ['step-0']" in printed(world, "job")
        listed = world.s3.list_objects_v2(Bucket=world.bucket, Prefix="checkpoints/job/")["Contents"]
        assert [one["Key"].rpartition("/")[2] for one in listed] == ["step-0", "step-1"]
        assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]

    def test_it_waits_for_machines_and_no_longer_than_it_may(self, world):
        world.sagemaker.order(Fault("capacity", times=10_000))
        start(world, "job", SLEEP, **self.conditions(world))
        world.sagemaker.advance(timedelta(seconds=3600))
        assert describe(world, "job")["SecondaryStatus"] == "Starting"
        world.sagemaker.advance(timedelta(seconds=3601))
        job = until(world, "job", "MaxWaitTimeExceeded")
        assert job["TrainingJobStatus"] == "Stopped"

    def test_waiting_is_for_spot_and_holds_the_runtime(self, world):
        sagemaker = world.aws.client("sagemaker")
        condition = {"MaxRuntimeInSeconds": 10, "MaxWaitTimeInSeconds": 5}
        with pytest.raises(ClientError, match="It must be present and be greater than or equal to"):
            sagemaker.create_training_job(**request(world, "a", "", **SPOT, StoppingCondition=condition))
        with pytest.raises(ClientError, match="only supported when EnableManagedSpotTraining"):
            sagemaker.create_training_job(**request(world, "b", "", StoppingCondition=condition))


class TestRequests:
    def test_names_are_unique(self, world):
        start(world, "job", "pass")
        with pytest.raises(ClientError, match="Training job names must be unique") as error:
            start(world, "job", "pass")
        assert code_of(error) == "ResourceInUse"

    def test_missing_jobs_are_a_validation_exception(self, world):
        with pytest.raises(ClientError, match="Requested resource not found") as error:
            describe(world, "nowhere")
        assert code_of(error) == "ValidationException"

    def test_data_that_is_not_there(self, world):
        with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
            start(world, "job", "pass", InputDataConfig=[channel(world, key="nothing/")])

    def test_a_role_of_another_account(self, world):
        with pytest.raises(ClientError, match="Cross-account pass role"):
            start(world, "job", "pass", RoleArn="arn:aws:iam::999999999999:role/other")

    def test_pages(self, world):
        sagemaker = world.aws.client("sagemaker")
        for number in range(12):
            start(world, f"job-{number:02}", "pass")
        pages = sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains="job-", PaginationConfig={"PageSize": 5}
        )
        names = [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]
        assert [len(page) for page in names] == [5, 5, 2]
        assert [name for page in names for name in page] == [f"job-{number:02}" for number in range(12)]
        newest = sagemaker.list_training_jobs(SortOrder="Descending", MaxResults=1)["TrainingJobSummaries"]
        assert newest[0]["TrainingJobName"] == "job-11"

    def test_tags(self, world):
        sagemaker = world.aws.client("sagemaker")
        start(world, "job", "pass", Tags=[{"Key": "team", "Value": "flights"}])
        arn = describe(world, "job")["TrainingJobArn"]
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "canary"}])
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "unknown"])
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "canary"}]


def wait_for_line(world, name, begin, seconds=120):
    limit = time.monotonic() + seconds
    until(world, name, "Training")
    while time.monotonic() < limit:
        for line in printed(world, name):
            if line.startswith(begin):
                return line
        time.sleep(0.02)
    raise AssertionError(printed(world, name))
