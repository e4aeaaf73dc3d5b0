"""``python -m airflow_mlops.testing.sagemaker`` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.core.aws.world import TestAws
from tests.servers import S3Server
from tests.testing.sagemaker.jobs import request
from tests.waiting import wait_until

#: Says which process it is, and stays.
SCRIPT = """
import os, pathlib, time
file = pathlib.Path("{0}")
file.with_suffix(".new").write_text(str(os.getpid()))
file.with_suffix(".new").rename(file)
time.sleep(600)
"""
COMMAND = [sys.executable, "-m", "airflow_mlops.testing.sagemaker"]


@pytest.fixture
def environment(s3_server: S3Server) -> dict[str, str]:
    return {**os.environ, **s3_server.env()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_its_jobs_end_with_it_however_it_ends(s3_server, environment, tmp_path, number):
    command = [*COMMAND, "--port", "0", "--home", str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        ready = process.stdout.readline()
        assert ready.startswith("SageMaker simulator ready at http://127.0.0.1:")
        aws = TestAws(ready.split()[4], s3_server)
        world = World(aws, s3_server.make_bucket())
        aws.client("sagemaker").create_training_job(**request(world, "job", SCRIPT.format(tmp_path / "pid")))
        wait_until((tmp_path / "pid").exists)
        process.send_signal(number)
        assert process.wait(60) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text()}"))


def test_without_an_s3_server_it_says_so(environment):
    environment.pop("AWS_ENDPOINT_URL_S3")
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "AWS_ENDPOINT_URL_S3 is not set: name the S3 server that jobs and endpoints shall use"
    ]


class World:
    """As much of a world as ``request`` needs."""

    def __init__(self, aws: TestAws, bucket: str) -> None:
        self.bucket, self.s3 = bucket, aws.client("s3")
