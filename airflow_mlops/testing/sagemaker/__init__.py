"""A simulator of SageMaker: jobs really run, endpoints really serve, and time can be moved on.

It speaks the HTTP protocols of SageMaker, SageMaker Runtime and of the parts of CloudWatch, CloudWatch Logs,
Application Auto Scaling and STS that go with them, so boto3, SageMaker's SDK and Airflow's Amazon hooks talk to it
unchanged. S3 is any S3 server.

.. code-block:: console

    AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000 python -m airflow_mlops.testing.sagemaker --port 5080
"""

from __future__ import annotations

from airflow_mlops.testing.sagemaker.faults import Fault
from airflow_mlops.testing.sagemaker.harness import SageMakerSimulator
from airflow_mlops.testing.sagemaker.simulator import Timing

__all__ = ["Fault", "SageMakerSimulator", "Timing"]
