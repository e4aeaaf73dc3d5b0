"""What MLServer loads for the endpoint benchmark; runs in an environment of its own."""

import xgboost
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class XGBoostModel(MLModel):
    """As MLServer's own XGBoost runtime, but one thread per call and no DMatrix, which is faster here."""

    async def load(self) -> bool:
        """Load the booster."""
        self._booster = xgboost.Booster(model_file=self._settings.parameters.uri)
        self._booster.set_param({"nthread": 1})
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        matrix = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("predictions", self._booster.inplace_predict(matrix))
        return InferenceResponse(model_name=self.name, outputs=[output])
