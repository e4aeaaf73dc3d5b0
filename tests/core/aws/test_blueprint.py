"""What an account needs: least privilege by name, and commands that a shell and the AWS CLI can read."""

from __future__ import annotations

import itertools
import json
import shlex
from typing import Any

import pytest

from airflow_mlops.core.aws.blueprint import Wish, blueprint
from airflow_mlops.core.aws.blueprint_text import as_commands, as_text
from airflow_mlops.core.aws.permissions import PARTS
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.platform import AWS_FIELDS, FIELDS

ACCOUNT = "123456789012"


def wish(**fields: Any) -> Wish:
    base = {
        "region": "eu-central-1",
        "store": "s3://acme-mlops/store",
        "data": "s3://acme-data/flights",
        "account": ACCOUNT,
    }
    return Wish(**{**base, **fields})


def policy(plan: dict[str, Any], role: str) -> dict[str, dict[str, Any]]:
    """The statements of a role by their names."""
    found = [one["policy"]["Statement"] for one in plan["roles"] if one["name"] == role]
    return {one["Sid"]: one for statements in found for one in statements}


def test_every_placeholder_is_filled() -> None:
    assert "<" not in json.dumps(
        blueprint(wish(settings=SageMaker(kms_key="1234", hosting={"scaling": {"most": 3}})))
    )


def test_policies_name_what_is_ours() -> None:
    plan = blueprint(wish(settings=SageMaker(prefix="acme")))
    mine = policy(plan, "acme-airflow")
    assert mine["Store"]["Resource"] == ["arn:aws:s3:::acme-mlops/store/*"]
    assert mine["StoreList"]["Resource"] == ["arn:aws:s3:::acme-mlops"]
    assert mine["Source"]["Resource"] == ["arn:aws:s3:::acme-data/flights/*"]
    for kind in ("Training", "Serving"):
        passed = f"arn:aws:iam::{ACCOUNT}:role/acme-{kind.lower()}"
        assert mine[f"Pass{kind}Role"]["Resource"] == [passed]
    assert f"arn:aws:sagemaker:eu-central-1:{ACCOUNT}:endpoint/acme-*" in mine["Endpoints"]["Resource"]
    assert "Scaling" not in mine
    assert policy(plan, "acme-serving")["Model"]["Resource"] == ["arn:aws:s3:::acme-mlops/store/sagemaker/*"]


def test_a_store_that_is_a_whole_bucket() -> None:
    plan = blueprint(wish(store="s3://acme-mlops", data=None))
    mine = policy(plan, "mlops-airflow")
    assert mine["Store"]["Resource"] == ["arn:aws:s3:::acme-mlops/*"]
    assert [bucket["holds"] for bucket in plan["buckets"]] == ["store and source data"]


def test_what_the_connection_asks_for_comes_with_its_grants() -> None:
    settings = SageMaker(
        kms_key="1234",
        network={"subnets": ["subnet-1"], "security_groups": ["sg-1"]},
        hosting={"scaling": {"most": 3}, "strategy": "guardrail"},
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/path/shared",
    )
    plan = blueprint(wish(settings=settings, models=("flight_delay",)))
    assert {"Scaling", "ScalingLists", "Alarms", "Key"} <= policy(plan, "mlops-airflow").keys()
    assert "Network" not in policy(plan, "mlops-airflow")
    assert {"Network", "Key"} <= policy(plan, "shared").keys()
    assert policy(plan, "shared")["Key"]["Resource"] == [f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"]
    assert plan["buckets"][0]["encryption"] == {"algorithm": "aws:kms", "key": "1234"}
    assert "/aws/sagemaker/Endpoints/mlops-flight-delay" in [one["name"] for one in plan["log_groups"]]


@pytest.mark.parametrize(
    "region, partition", [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
)
def test_arns_are_of_the_regions_partition(region: str, partition: str) -> None:
    text = json.dumps(blueprint(wish(region=region)))
    assert text.count('"arn:') == text.count(f'"arn:{partition}:')


def test_the_connection_is_one_that_the_platform_takes() -> None:
    extra = blueprint(wish(settings=SageMaker(prefix="acme")))["connections"]["mlops_default"]["extra"]
    settings = SageMaker(**extra["sagemaker"])
    assert settings.training.role_arn == f"arn:aws:iam::{ACCOUNT}:role/acme-training"
    assert settings.hosting.role_arn == f"arn:aws:iam::{ACCOUNT}:role/acme-serving"
    assert (settings.prefix, extra["store"]) == ("acme", "s3://acme-mlops/store")


def test_commands_are_whole_shell_words_with_json() -> None:
    script = as_commands(blueprint(wish(airflow=f"arn:aws:iam::{ACCOUNT}:role/runner")))
    seen = []
    for line in script.splitlines()[3:]:
        words = shlex.split(line, comments=True)
        seen += words[:3][-2:]
        for before, word in itertools.pairwise(words):
            if before.endswith(("document", "json", "configuration")) and word.startswith("{"):
                json.loads(word)
    assert {"create-bucket", "put-bucket-versioning", "create-role", "put-retention-policy"} <= set(seen)
    assert f'"AWS": "arn:aws:iam::{ACCOUNT}:role/runner"' in script
    assert "LocationConstraint=eu-central-1" in script
    assert "LocationConstraint" not in as_commands(blueprint(wish(region="us-east-1")))


def test_a_machine_of_ec2_needs_a_profile_for_its_role() -> None:
    profile = "create-instance-profile --instance-profile-name mlops-airflow"
    assert profile in as_commands(blueprint(wish()))
    assert profile not in as_commands(blueprint(wish(airflow="ecs-tasks.amazonaws.com")))


def test_jobs_and_endpoints_may_share_a_role() -> None:
    shared = SageMaker(role_arn=f"arn:aws:iam::{ACCOUNT}:role/shared")
    script = as_commands(blueprint(wish(settings=shared)))
    assert script.count("create-role --role-name shared ") == 1
    assert script.count("put-role-policy --role-name shared ") == 2


def test_separate_roles_have_a_connection_each() -> None:
    worker = f"arn:aws:iam::{ACCOUNT}:role/worker"
    plan = blueprint(wish(settings=SageMaker(prefix="acme"), airflow=worker, separate=True))
    names = {one["name"] for one in plan["roles"]}
    assert names == {f"acme-{role}" for role in (*PARTS, "training", "serving")}
    connections = plan["connections"]
    mlops = connections["mlops_default"]["extra"]
    roles = {
        field: connections[mlops[field]]["extra"]["role_arn"].rpartition("/")[2]
        for field in ("aws_conn_id", *AWS_FIELDS.values())
    }
    assert roles == {
        "aws_conn_id": "acme-store",
        "data_aws_conn_id": "acme-data-reader",
        "training_aws_conn_id": "acme-trainer",
        "serving_aws_conn_id": "acme-deployer",
    }
    for one in plan["roles"]:
        (who,) = one["trust"]["Statement"][0]["Principal"].values()
        assert who == ("sagemaker.amazonaws.com" if one["role"] in ("training", "serving") else worker)
    assert set(mlops) <= set(FIELDS)
    assert "<" not in json.dumps(plan)
    assert "Scaling" not in policy(plan, "acme-deployer")
    assert policy(plan, "acme-trainer").keys() == {"TrainingJobs", "PassTrainingRole", "Logs"}


def test_a_service_takes_on_one_role_alone() -> None:
    with pytest.raises(
        PlatformError, match=r"separate roles are taken on by a role or user; given airflow ec2"
    ):
        blueprint(wish(separate=True))


def test_text_says_that_nothing_is_created() -> None:
    text = as_text(blueprint(wish(account="<account>")))
    assert "nothing is created" in text.splitlines()[0]
    assert "versioning: enabled" in text


def test_a_store_on_a_folder_is_refused() -> None:
    with pytest.raises(PlatformError, match="store is not on S3; given /tmp/x"):
        blueprint(wish(store="/tmp/x"))
