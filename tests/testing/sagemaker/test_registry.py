"""The model registry and model cards."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

SPECIFICATION = {
    "Containers": [{"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}],
    "SupportedContentTypes": ["application/json"],
    "SupportedResponseMIMETypes": ["application/json"],
}
CARD = json.dumps({"model_overview": {"model_description": "delays"}})


@pytest.fixture
def sagemaker(world):
    return world.aws.client("sagemaker")


@pytest.fixture
def group(sagemaker):
    sagemaker.create_model_package_group(
        ModelPackageGroupName="delays", Tags=[{"Key": "team", "Value": "flights"}]
    )
    return "delays"


def add(sagemaker, group, **changed):
    request = {"ModelPackageGroupName": group, "InferenceSpecification": SPECIFICATION, **changed}
    return sagemaker.create_model_package(**request)["ModelPackageArn"]


def code_of(error):
    return error.value.response["Error"]["Code"]


class TestPackages:
    def test_versions_are_counted_and_no_number_is_used_twice(self, sagemaker, group):
        first, second = add(sagemaker, group), add(sagemaker, group)
        assert first.endswith(":model-package/delays/1")
        sagemaker.delete_model_package(ModelPackageName=second)
        assert add(sagemaker, group).endswith("/3")

    def test_a_version_waits_for_approval_and_can_be_approved(self, sagemaker, group):
        arn = add(sagemaker, group, CustomerMetadataProperties={"run": "1", "old": "x"})
        assert describe(sagemaker, arn)["ModelApprovalStatus"] == "PendingManualApproval"
        sagemaker.update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus="Approved",
            ApprovalDescription="by hand",
            CustomerMetadataProperties={"gate": "passed"},
            CustomerMetadataPropertiesToRemove=["old"],
        )
        found = describe(sagemaker, arn)
        assert found["ModelApprovalStatus"] == "Approved"
        assert found["ApprovalDescription"] == "by hand"
        assert found["CustomerMetadataProperties"] == {"run": "1", "gate": "passed"}
        assert found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == "s3://bucket/model.tar.gz"
        assert found["ModelPackageVersion"] == 1
        assert "ModelPackageName" not in found

    def test_the_same_token_gives_the_same_version(self, sagemaker, group):
        first = add(sagemaker, group, ClientToken="token-1")
        assert add(sagemaker, group, ClientToken="token-1") == first
        assert add(sagemaker, group, ClientToken="token-2") != first
        with pytest.raises(ClientError, match="used before with other parameters"):
            add(sagemaker, group, ClientToken="token-1", ModelPackageDescription="another")

    def test_lists_by_group_and_status(self, sagemaker, group):
        arns = [add(sagemaker, group) for _ in range(3)]
        sagemaker.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved")
        listed = sagemaker.list_model_packages(ModelPackageGroupName=group, SortOrder="Descending")
        assert [one["ModelPackageVersion"] for one in listed["ModelPackageSummaryList"]] == [3, 2, 1]
        approved = sagemaker.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
        assert [one["ModelPackageArn"] for one in approved["ModelPackageSummaryList"]] == [arns[1]]
        assert sagemaker.list_model_packages()["ModelPackageSummaryList"] == []

    def test_tags_belong_to_the_group(self, sagemaker, group):
        arn = sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "flights"}]
        with pytest.raises(ClientError, match="not allowed on versioned model packages"):
            add(sagemaker, group, Tags=[{"Key": "a", "Value": "b"}])

    def test_a_group_that_is_there(self, sagemaker, group):
        with pytest.raises(ClientError) as error:
            sagemaker.create_model_package_group(ModelPackageGroupName=group)
        assert code_of(error) == "ValidationException"
        assert error.value.response["Error"]["Message"].startswith("Model Package Group already exists")

    def test_what_is_not_there(self, sagemaker):
        with pytest.raises(ClientError, match=r"ModelPackageGroup arn:aws:\S+/nowhere does not exist"):
            sagemaker.describe_model_package_group(ModelPackageGroupName="nowhere")
        with pytest.raises(ClientError, match="does not exist"):
            add(sagemaker, "nowhere")
        with pytest.raises(ClientError, match="does not exist"):
            describe(sagemaker, "arn:aws:sagemaker:eu-central-1:123456789012:model-package/nowhere/1")

    def test_a_group_goes_only_when_it_is_empty(self, sagemaker, group):
        arn = add(sagemaker, group)
        with pytest.raises(ClientError, match="still contains Model Packages"):
            sagemaker.delete_model_package_group(ModelPackageGroupName=group)
        sagemaker.delete_model_package(ModelPackageName=arn)
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
        assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def describe(sagemaker, arn):
    return sagemaker.describe_model_package(ModelPackageName=arn)


class TestCards:
    @pytest.fixture
    def card(self, sagemaker):
        sagemaker.create_model_card(ModelCardName="delays", Content=CARD, ModelCardStatus="Draft")
        return "delays"

    def test_content_is_kept_as_given_and_its_changes_are_versions(self, sagemaker, card):
        other = json.dumps({"intended_uses": {"purpose_of_model": "planning"}}, indent=1)
        sagemaker.update_model_card(ModelCardName=card, Content=other)
        newest = sagemaker.describe_model_card(ModelCardName=card)
        assert (newest["Content"], newest["ModelCardVersion"]) == (other, 2)
        assert sagemaker.describe_model_card(ModelCardName=card, ModelCardVersion=1)["Content"] == CARD
        listed = sagemaker.list_model_card_versions(ModelCardName=card)["ModelCardVersionSummaryList"]
        assert [one["ModelCardVersion"] for one in listed] == [1, 2]

    def test_another_status_is_no_version(self, sagemaker, card):
        sagemaker.update_model_card(ModelCardName=card, ModelCardStatus="Approved")
        found = sagemaker.describe_model_card(ModelCardName=card)
        assert (found["ModelCardStatus"], found["ModelCardVersion"]) == ("Approved", 1)

    def test_content_and_status_do_not_change_in_one_call(self, sagemaker, card):
        with pytest.raises(ClientError, match="cannot update both model card content and model card status"):
            sagemaker.update_model_card(ModelCardName=card, Content=CARD, ModelCardStatus="Approved")

    def test_an_archived_card_is_not_changed(self, sagemaker, card):
        sagemaker.update_model_card(ModelCardName=card, ModelCardStatus="Archived")
        with pytest.raises(ClientError, match="Archived state"):
            sagemaker.update_model_card(ModelCardName=card, Content=CARD)

    @pytest.mark.parametrize(
        "content, said",
        [
            ("{", "not valid JSON"),
            ('{"summary": {}}', "unknown section summary"),
            ('{"model_overview": {"version": 1}}', "unknown in model_overview: version"),
        ],
    )
    def test_content_follows_the_schema(self, sagemaker, content, said):
        with pytest.raises(ClientError, match=said):
            sagemaker.create_model_card(ModelCardName="other", Content=content, ModelCardStatus="Draft")

    def test_there_and_not_there(self, sagemaker, card):
        with pytest.raises(ClientError) as error:
            sagemaker.create_model_card(ModelCardName=card, Content=CARD, ModelCardStatus="Draft")
        assert code_of(error) == "ConflictException"
        sagemaker.delete_model_card(ModelCardName=card)
        with pytest.raises(ClientError) as error:
            sagemaker.describe_model_card(ModelCardName=card)
        assert code_of(error) == "ResourceNotFound"
        assert sagemaker.list_model_cards()["ModelCardSummaries"] == []
