"""The model card of a model in SageMaker: made once, then changed; every change is a version of the card there."""

from __future__ import annotations

from typing import Any, Literal

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import code, exists_already, is_missing
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.registry.sagemaker_package import group_name, tag_list

Status = Literal["PendingReview", "Approved"]


def put_card(aws: Aws, settings: SageMaker, model: str, content: str, status: Status) -> None:
    """Bring the model's card to ``content`` and ``status``; one that is so already gets no new version.

    :raises RegistryError: if SageMaker refuses.
    """
    client = aws.client("sagemaker")
    name = group_name(settings, model)
    wanted = {"Content": content, "ModelCardStatus": status}
    found = call(
        client.describe_model_card,
        {"ModelCardName": name},
        f"describe model card {name}",
        kind=RegistryError,
        unless=is_missing,
    )
    if found is None:
        request: dict[str, Any] = {"ModelCardName": name, **wanted, "Tags": tag_list(settings)}
        if settings.kms_key:
            request["SecurityConfig"] = {"KmsKeyId": settings.kms_key}
        found = call(
            client.create_model_card,
            request,
            f"create model card {name}",
            kind=RegistryError,
            unless=lambda error: exists_already(error) or code(error) == "ConflictException",
        )
        if found is not None:
            return
        found = {}
    # Content and status can't be changed in one call, as UpdateModelCard says.
    for key, value in wanted.items():
        if found.get(key) != value:
            request = {"ModelCardName": name, key: value}
            call(client.update_model_card, request, f"update model card {name}", kind=RegistryError)
