"""What a test needs to know of a running S3 server."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class S3Server:
    """Address and credentials of an S3 server on loopback.

    :param name: which server it is, for test ids.
    """

    name: str
    endpoint: str
    access_key: str = "test"
    secret_key: str = "testsecret"
    region: str = "us-east-1"

    def env(self) -> dict[str, str]:
        """The variables with which boto3 in another process finds this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    def client(self, **config: Any) -> Any:
        """A boto3 S3 client of this server; ``config`` goes into botocore's ``Config``."""
        import boto3
        from botocore.config import Config

        defaults = {"s3": {"addressing_style": "path"}, "max_pool_connections": 32}
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(**{**defaults, **config}),
        )

    def make_bucket(self, client: Any = None, *, versioned: bool = False) -> str:
        """Make a new bucket and return its name."""
        name, client = f"t-{uuid.uuid4().hex[:12]}", client or self.client()
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name
