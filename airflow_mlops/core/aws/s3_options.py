"""What a connection says about its buckets: encryption, who pays, whose they are, what may not be removed."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration

#: Where the command line, the endpoint server and containers find the options: the field ``s3`` as JSON.
ENVIRONMENT = "MLOPS_S3"
_KEY = (
    r"^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+|alias/.+|[0-9a-fA-F-]{36}|mrk-[0-9a-f]{32})$"
)
_ACCOUNT = r"^[0-9]{12}$"
#: Logs and records that nothing ever removes. Manifests and blobs end by retention, captures by a lifecycle rule.
_RECORDS = ("models/", "endpoints/", "retention/", "audit/")


class ObjectLock(Section):
    """Records that nobody can overwrite or remove before their time: needs a bucket made with Object Lock."""

    mode: Literal["governance", "compliance"] = Field(
        description="governance: s3:BypassGovernanceRetention may remove it; compliance: nobody, the root user neither."
    )
    keep: Duration = Field(description="How long, from when it is written.")
    prefixes: tuple[str, ...] = Field(
        _RECORDS, min_length=1, description="Which keys of the store, by how they begin."
    )

    def arguments(self, key: str, now: datetime) -> dict[str, Any]:
        """Of a write of ``key``."""
        if not key.startswith(self.prefixes):
            return {}
        return {"ObjectLockMode": self.mode.upper(), "ObjectLockRetainUntilDate": now + self.keep}


class S3Options(Section):
    """Field ``s3`` of an ``mlops`` connection; without any, S3 does what the bucket says.

    :raises SpecError: on construction, naming every wrong field.
    """

    encryption: Literal["aws:kms", "AES256"] | None = Field(
        None, description="Encryption of what is written; without one, the bucket's own."
    )
    kms_key: str | None = Field(
        None, pattern=_KEY, description="Key of it: ARN, id or alias/name; it means encryption aws:kms."
    )
    bucket_key: bool | None = Field(
        None, description="One call to KMS for many objects; without it, the bucket's own."
    )
    requester_pays: bool = Field(False, description="We pay for requests to the bucket, not its owner.")
    bucket_owner: str | dict[str, str] | None = Field(
        None, description="Account that owns the buckets, or {bucket: account}: another's is refused."
    )
    object_lock: ObjectLock | None = None
    checksum: Literal["CRC32", "SHA256", "CRC64NVME"] | None = Field(
        None, description="Checksum that S3 verifies and keeps; without one, botocore's own."
    )
    queue: str | None = Field(
        None,
        min_length=1,
        description="Queue of SQS that gets the data bucket's notifications: name, ARN or URL; it tells of new data.",
    )

    @field_validator("bucket_owner")
    @classmethod
    def _accounts(cls, given: str | dict[str, str] | None) -> str | dict[str, str] | None:
        import re

        accounts = given.values() if isinstance(given, dict) else [given] if given else []
        wrong = next((each for each in accounts if not re.match(_ACCOUNT, each)), None)
        if wrong is not None:
            raise ValueError(f"an account is 12 digits, as text: given {wrong}")
        return given

    @model_validator(mode="after")
    def _goes_together(self) -> S3Options:
        if self.kms_key and self.encryption == "AES256":
            raise ValueError("kms_key is for encryption aws:kms: leave one of them out")
        if self.bucket_key is not None and self.sse != "aws:kms":
            raise ValueError("bucket_key is for encryption aws:kms: set kms_key, or leave it out")
        return self

    @property
    def sse(self) -> str | None:
        """The encryption of what is written."""
        return "aws:kms" if self.kms_key else self.encryption

    @classmethod
    def of_environment(cls) -> S3Options:
        """The options in ``MLOPS_S3``, as JSON.

        :raises PlatformError: if it is no JSON object.
        :raises SpecError: if a field is wrong.
        """
        given = os.environ.get(ENVIRONMENT, "")
        if not given:
            return cls()
        try:
            fields = json.loads(given)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise PlatformError(
                f"environment variable {ENVIRONMENT} is no JSON object",
                given=repr(given)[:80],
                expected='e.g. {"kms_key": "alias/models"}',
            )
        return cls(**fields)

    def to_environment(self) -> dict[str, str]:
        """The variable with which another process has the same options; none when there are none."""
        fields = self.model_dump(mode="json", exclude_defaults=True)
        return {ENVIRONMENT: json.dumps(fields)} if fields else {}

    def of(self, bucket: str) -> S3Requests:
        """What every request to a bucket says."""
        return S3Requests(self, bucket)


class S3Requests:
    """Arguments of boto3's calls to one bucket that follow from the options."""

    def __init__(self, options: S3Options, bucket: str) -> None:
        owners = options.bucket_owner
        owner = owners.get(bucket) if isinstance(owners, dict) else owners
        self._options = options
        #: Of questions about the bucket itself.
        self.bucket: dict[str, Any] = {"ExpectedBucketOwner": owner} if owner else {}
        #: Of reads, lists, parts and removals.
        self.object: dict[str, Any] = {
            **self.bucket,
            **({"RequestPayer": "requester"} if options.requester_pays else {}),
        }
        #: Of bytes that are sent.
        self.body: dict[str, Any] = {
            **self.object,
            **({"ChecksumAlgorithm": options.checksum} if options.checksum else {}),
        }

    @property
    def checksum(self) -> str | None:
        """The algorithm that was asked for."""
        return self._options.checksum

    def new(self, key: str) -> dict[str, Any]:
        """Of what makes an object. :param key: in the store."""
        options = self._options
        sse: dict[str, Any] = {"ServerSideEncryption": options.sse} if options.sse else {}
        if options.kms_key:
            sse["SSEKMSKeyId"] = options.kms_key
        if options.bucket_key is not None:
            sse["BucketKeyEnabled"] = options.bucket_key
        lock = options.object_lock.arguments(key, datetime.now(timezone.utc)) if options.object_lock else {}
        return {**self.body, **sse, **lock}
