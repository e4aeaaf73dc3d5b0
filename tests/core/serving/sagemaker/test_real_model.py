"""Registered XGBoost models behind SageMaker's doors: answers and captures are what the predictor says."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.serving.sagemaker.endpoint import SageMakerEndpoint
from airflow_mlops.core.serving.sagemaker.teardown import Cleaner
from airflow_mlops.core.serving.split import key_of
from airflow_mlops.core.training.predictor import Predictor
from tests.container.world import MODEL, RULE, release, spec
from tests.core.aws.world import World
from tests.core.serving import fakes
from tests.core.serving.sagemaker import script_mode
from tests.core.training.world import World as Orders
from tests.core.training.world import make_version
from tests.waiting import wait_until


@pytest.mark.slow
def test_answers_and_captures_are_what_the_predictor_says(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    prefix = f"t{uuid.uuid4().hex[:8]}"
    store = script_mode.store_of(world, prefix)
    settings = script_mode.settings(prefix=prefix)
    given = spec("function", key=["country"], fallback=RULE)
    data = make_version(store, tmp_path / "data", Orders().frame(), given)
    one = release(store, data, given)
    two = release(store, data, spec("columns", key=["country"], fallback=RULE))
    endpoint = SageMakerEndpoint(world.aws, settings, MODEL, store, now=world.sagemaker.now)
    try:
        endpoint.reconcile(fakes.deploy(store, "promote", one.number, model=MODEL), fakes.SOON)
        shadow = fakes.deploy(store, "shadow", one.number, two.number, model=MODEL)
        endpoint.reconcile(shadow, fakes.SOON)
        since, rows = world.sagemaker.now(), one.rows(5)
        expected = tuple(Predictor.load(store, one.trained).predict(rows))
        answer = endpoint.invoke(rows, inference_id="mine")
        assert (answer.predictions, answer.variant) == (expected, "v1")
        with pytest.raises(EndpointError, match=r"answers 400: .*nonsense"):
            endpoint.invoke([{**rows[0], "nonsense": 1}])
        wait_until(lambda: len([r for r in endpoint.captures(since) if r.inference_id == "mine"]) == 2)
        found = {record.role: record for record in endpoint.captures(since) if record.inference_id == "mine"}
        assert found["champion"].predictions == expected
        assert found["champion"].rows == tuple(rows)
        assert found["champion"].key == key_of(MODEL, rows[0], ("country",), "mine")
        assert found["champion"].latency_ms > 0
        assert {record.deployment for record in found.values()} == {shadow.number}
        assert (found["shadow"].variant, found["shadow"].status) == ("v2", 200)
        assert found["shadow"].predictions != expected
        # The rule needs no model.
        endpoint.reconcile(fakes.deploy(store, "fallback", one.number, model=MODEL), fakes.SOON)
        by_rule = endpoint.invoke([{**rows[0], "country": "DE"}])
        assert (by_rule.predictions, by_rule.variant) == ((0.7,), "fallback")
    finally:
        Cleaner(world.aws, settings, MODEL).teardown()
