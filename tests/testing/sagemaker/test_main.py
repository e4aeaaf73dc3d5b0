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

COMMAND = [sys.executable, "-m", "airflow_mlops.testing.sagemaker"]


@pytest.fixture
def environment(s3_server: S3Server) -> dict[str, str]:
    return {**os.environ, **s3_server.env()}


def test_it_serves_until_sigterm_and_takes_its_jobs_with_it(s3_server, environment, tmp_path):
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--home", str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        ready = process.stdout.readline()
        assert ready.startswith("SageMaker simulator ready at http://127.0.0.1:")
        aws = TestAws(ready.split()[4], s3_server)
        bucket = s3_server.make_bucket()
        world = World(aws, bucket)
        script = (
            f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
        )
        aws.client("sagemaker").create_training_job(**request(world, "job", script))
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text()}")


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
