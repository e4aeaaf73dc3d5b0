"""Pages of AWS's console."""

from __future__ import annotations

from urllib.parse import urlsplit


def training_job_page(job: str, region: str, endpoint_url: str | None = None) -> str | None:
    """The page of a training job; None where SageMaker is not AWS's own.

    :param endpoint_url: of SageMaker, where it is not the region's own; an endpoint in a VPC still is AWS.
    """
    host = urlsplit(endpoint_url).hostname or "" if endpoint_url else "amazonaws.com"
    if not f".{host}".endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return None
    console = "console.amazonaws.cn" if region.startswith("cn-") else "console.aws.amazon.com"
    return f"https://{region}.{console}/sagemaker/home?region={region}#/jobs/{job}"
