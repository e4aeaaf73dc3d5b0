"""Why a call to AWS fails, and what to do now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Where the policies stand that say who needs which permission.
POLICIES = "docs/iam"
#: The policy of what talks to AWS from Airflow, and those of the roles that jobs and endpoints have.
AIRFLOW = f"{POLICIES}/airflow.json"
EXECUTION = f"{POLICIES}/training.json, {POLICIES}/serving.json"
#: What to do about a region.
REGION = "correct region_name of the AWS connection (or AWS_DEFAULT_REGION)"
#: passing: a later try may succeed. platform: the account, the connection or a role is to be corrected. request: what
#: was asked for is wrong.
Nature = Literal["passing", "platform", "request"]


@dataclass(frozen=True)
class Cause:
    """Why something failed.

    :param says: in a few words.
    :param remedy: what to do now.
    """

    says: str
    remedy: str
    nature: Nature = "platform"


CLOCK = Cause("this machine's clock is wrong", "set the clock")
OTHER_REGION = Cause("the bucket is in another region", f"set the bucket's region: {REGION}")
NO_KEY = Cause("there is no such KMS key", f"correct kms_key, or {REGION}: a key is of one region")
KEY_UNUSABLE = "enable the key, or set another kms_key in fields s3 and sagemaker; what it encrypted needs it"
CAPACITY = Cause(
    "AWS has no such machines free now",
    "run it again later, or set another instance_type in field sagemaker of the mlops connection",
    "passing",
)
