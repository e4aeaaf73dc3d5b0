"""A simulator of SageMaker: jobs really run, endpoints really serve, and time can be moved on.

It speaks the HTTP protocols of SageMaker, SageMaker Runtime and of the parts of CloudWatch, CloudWatch Logs,
Application Auto Scaling and STS that go with them, so boto3, SageMaker's SDK and Airflow's Amazon hooks talk to it
unchanged. S3 is any S3 server.

.. code-block:: console

    python -m airflow_mlops.testing.sagemaker --port 5080 --s3 http://127.0.0.1:9000
"""
