"""Which container image SageMaker runs: its own XGBoost one, in the registry of the region."""

from __future__ import annotations

import contextlib
import io
from functools import cache

from airflow_mlops.core.errors import PlatformError

#: Of SageMaker's XGBoost container: xgboost 3.0.5 on Python 3.10.
VERSION = "3.0-5"


def training_image(region: str) -> str:
    """The URI of the image for training jobs in a region.

    :raises PlatformError: if ``sagemaker-core``, which knows the registries, is not installed, or the region is
        unknown.
    """
    return _xgboost(region, "training")


def serving_image(region: str) -> str:
    """The URI of the image for endpoints and batch transforms in a region: the same one.

    :raises PlatformError: as :func:`training_image`.
    """
    return _xgboost(region, "hosting")


@cache
def _xgboost(region: str, section: str) -> str:
    try:
        # Its import takes four seconds, and prints where it found a configuration.
        with contextlib.redirect_stdout(io.StringIO()):
            from sagemaker.core import image_uris
    except ImportError:
        raise PlatformError(
            "SageMaker's images are looked up with sagemaker-core, which is not installed",
            given=f"no image for {region}",
            remedy="pip install 'airflow-mlops[sagemaker]' (Python below 3.12), or set "
            f"sagemaker.{section}.image of the mlops connection",
        ) from None
    try:
        return str(image_uris.retrieve("xgboost", region, VERSION))
    except ValueError as error:
        raise PlatformError(
            f"no image of XGBoost {VERSION} is known for the region",
            given=region,
            expected=" ".join(str(error).split())[:200],
            remedy="correct the region of the AWS connection, or set "
            f"sagemaker.{section}.image of the mlops connection",
        ) from None
