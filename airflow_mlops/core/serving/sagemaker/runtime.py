"""Asking an endpoint for predictions."""

from __future__ import annotations

import json
import uuid
from typing import Any

from airflow_mlops.core.aws.errors import code, explain, message
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.serving.base import Prediction
from airflow_mlops.core.serving.sagemaker.capture_lines import TARGETED
from airflow_mlops.core.serving.wire import JSON, encode


class Caller:
    """Sends requests to one endpoint. :param name: of the endpoint."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name

    def invoke(self, rows: list[dict[str, Any]], inference_id: str | None, variant: str | None) -> Prediction:
        """The answer to a request.

        It always has an inference id: that is what pairs the answers of the live and of the shadow variant.

        :param variant: name of the variant at SageMaker; None leaves it to the weights.
        :raises EndpointError: if the request is refused or fails, with the container's reason.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        inference_id = inference_id or uuid.uuid4().hex
        targeted = {} if variant is None else {"TargetVariant": variant, "CustomAttributes": TARGETED}
        try:
            answer = self._aws.client("sagemaker-runtime").invoke_endpoint(
                EndpointName=self._name,
                ContentType=JSON,
                Accept=JSON,
                InferenceId=inference_id,
                Body=encode({"instances": rows}),
                **targeted,
            )
            body = json.loads(answer["Body"].read())
        except ClientError as error:
            raise self._refused(error, variant) from error
        except BotoCoreError as error:
            raise explain(error, f"ask endpoint {self._name}", EndpointError) from error
        except ValueError:
            raise EndpointError(f"endpoint {self._name} answers something other than JSON") from None
        return self._prediction(body, str(answer.get("InvokedProductionVariant", "")), inference_id)

    def _prediction(self, body: Any, invoked: str, inference_id: str) -> Prediction:
        predictions = body.get("predictions") if isinstance(body, dict) else body
        if not isinstance(predictions, list):
            raise EndpointError(f"endpoint {self._name} answers without predictions", given=str(body)[:200])
        extra = body.get("mlops") if isinstance(body, dict) else None
        said = extra.get("variant") if isinstance(extra, dict) else None
        return Prediction(predictions=tuple(predictions), variant=said or invoked, inference_id=inference_id)

    def _refused(self, error: Exception, variant: str | None) -> EndpointError:
        response: dict[str, Any] = getattr(error, "response", {})
        status = response.get("OriginalStatusCode")
        if code(error) != "ModelError" or status is None:
            asked = f"variant {variant} of endpoint" if variant else "endpoint"
            explained = explain(error, f"ask {asked} {self._name}", EndpointError)
            return explained if isinstance(explained, EndpointError) else EndpointError(str(explained))
        return EndpointError(
            f"endpoint {self._name} answers {status}: "
            f"{_said(str(response.get('OriginalMessage') or '')) or message(error)[:300]}"
        )


def _said(text: str) -> str:
    """The one line in a container's answer."""
    try:
        found = json.loads(text)
        text = str(found["message"])
    except (ValueError, KeyError, TypeError):
        pass
    return " ".join(text.split())[:300]
