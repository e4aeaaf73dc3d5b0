"""Pages of the console, only where SageMaker is AWS's own."""

from __future__ import annotations

import pytest

from airflow_mlops.core.aws.console import training_job_page


@pytest.mark.parametrize(
    "region, endpoint, page",
    [
        (
            "eu-central-1",
            None,
            "https://eu-central-1.console.aws.amazon.com/sagemaker/home?region=eu-central-1#/jobs/j",
        ),
        (
            "cn-north-1",
            None,
            "https://cn-north-1.console.amazonaws.cn/sagemaker/home?region=cn-north-1#/jobs/j",
        ),
        (
            "eu-central-1",
            "https://vpce-1.api.sagemaker.eu-central-1.vpce.amazonaws.com",
            "https://eu-central-1.console.aws.amazon.com/sagemaker/home?region=eu-central-1#/jobs/j",
        ),
        ("eu-central-1", "http://127.0.0.1:5080", None),
        ("eu-central-1", "http://amazonaws.com.example", None),
        ("eu-central-1", "http://notamazonaws.com", None),
    ],
)
def test_the_page_in_the_console(region: str, endpoint: str | None, page: str | None) -> None:
    assert training_job_page("j", region, endpoint) == page
