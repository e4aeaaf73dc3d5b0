from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_mlops.core.aws import image
from airflow_mlops.core.errors import PlatformError


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    image._xgboost.cache_clear()
    yield
    image._xgboost.cache_clear()


def test_the_image_of_a_region(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sagemaker.core.image_uris")
    uri = image.training_image("eu-central-1")
    assert uri == "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"
    assert image.serving_image("eu-central-1") == uri
    assert image.serving_image("cn-north-1").endswith(".amazonaws.com.cn/sagemaker-xgboost:3.0-5")
    assert capsys.readouterr().out == ""


def test_a_region_that_nobody_knows() -> None:
    pytest.importorskip("sagemaker.core.image_uris")
    with pytest.raises(
        PlatformError, match=r"no image of XGBoost 3\.0-5 is known for the region; given nowhere-1"
    ):
        image.training_image("nowhere-1")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *given: Any, **options: Any) -> Any:
        if name.startswith("sagemaker"):
            raise ImportError(name)
        return real(name, *given, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        PlatformError, match=r"pip install 'airflow-mlops\[sagemaker\]'.*sagemaker.hosting.image"
    ):
        image.serving_image("eu-central-1")
