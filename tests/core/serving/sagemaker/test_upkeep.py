"""Autoscaling, captures, instruments, and what is cleaned up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import NOTHING
from airflow_mlops.core.serving.base import Endpoint, Instruments
from airflow_mlops.core.serving.capture import GroundTruth
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.core.serving.hours import Cursor
from tests.core.serving import fakes
from tests.core.serving.sagemaker import script_mode
from tests.core.serving.sagemaker.conftest import Place
from tests.waiting import wait_until

_WHERE = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
_TRACKING = {
    "TargetValue": 42.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
}


def scaled(place: Place) -> dict[str, tuple[int, int]]:
    """The bounds of each variant that scales."""
    found = place.world.aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )
    return {
        one["ResourceId"].rpartition("/")[2]: (one["MinCapacity"], one["MaxCapacity"])
        for one in found["ScalableTargets"]
        if f"/{place.name}/" in one["ResourceId"]
    }


def policies(place: Place, variant: str) -> list[float]:
    found = place.world.aws.client("application-autoscaling").describe_scaling_policies(
        ResourceId=f"endpoint/{place.name}/variant/{variant}", **_WHERE
    )
    return [
        one["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for one in found["ScalingPolicies"]
    ]


def scale_by_hand(place: Place, variant: str) -> None:
    where: dict[str, Any] = {"ResourceId": f"endpoint/{place.name}/variant/{variant}", **_WHERE}
    client = place.world.aws.client("application-autoscaling")
    client.register_scalable_target(MinCapacity=2, MaxCapacity=6, **where)
    client.put_scaling_policy(
        PolicyName="mine",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=_TRACKING,
        **where,
    )


def test_the_successor_scales_as_its_predecessor_did(make_place: Callable[..., Place]) -> None:
    place = make_place(hosting={"keep_previous": False})
    place.deploy("promote", 1)
    scale_by_hand(place, "v1")
    place.deploy("canary", 1, 2, weight=0.1)
    assert scaled(place) == {"v1": (2, 6)}
    place.deploy("promote", 2)
    wait_until(lambda: list(place.weights()) == ["v2"])
    assert scaled(place) == {"v2": (2, 6)}
    assert policies(place, "v2") == [42.0]
    # By a new configuration alone, too.
    place.deploy("promote", 3)
    assert scaled(place) == {"v3": (2, 6)}
    assert policies(place, "v3") == [42.0]


def test_the_settings_let_the_champion_scale(make_place: Callable[..., Place]) -> None:
    place = make_place(hosting={"scaling": {"least": 1, "most": 4, "target": 100.0}})
    place.deploy("promote", 1)
    assert scaled(place) == {"v1": (1, 4)}
    assert policies(place, "v1") == [100.0]


def test_captures_are_read_once_with_a_cursor(place: Place) -> None:
    since, cursor, endpoint = place.world.sagemaker.now(), Cursor(), place.endpoint()
    for x in range(3):
        endpoint.invoke([{**fakes.ROW, "x": float(x)}])
    seen: list[float] = []

    def all_there() -> bool:
        seen.extend(record.rows[0]["x"] for record in endpoint.captures(since, cursor))
        return len(seen) >= 3

    wait_until(all_there)
    assert sorted(seen) == [0.0, 1.0, 2.0]
    assert not list(endpoint.captures(since, cursor))
    assert len(list(endpoint.captures(since))) == 3


def test_failed_requests_of_a_canary_are_told_once_they_are_counted(place: Place) -> None:
    place.deploy("canary", 1, fakes.FAILING, weight=0.5)
    since, cursor, endpoint = place.world.sagemaker.now(), Cursor(), place.endpoint()
    failed = 0
    for _ in range(20):
        try:
            endpoint.invoke([fakes.ROW])
        except EndpointError:
            failed += 1
    place.world.sagemaker.advance(timedelta(minutes=10))
    found = list(endpoint.captures(since, cursor))
    assert len([one for one in found if one.status == 500]) == failed > 0
    assert len([one for one in found if one.status == 200]) == 20 - failed
    assert {one.variant for one in found if one.status == 500} == {f"v{fakes.FAILING}"}
    assert not list(endpoint.captures(since, cursor))
    assert {one.event_id for one in endpoint.captures(since)} == {one.event_id for one in found}


def test_where_the_rule_steps_in_the_caller_gets_an_answer(place: Place) -> None:
    place.deploy("canary", 1, script_mode.SAVED, weight=0.99999)
    since, endpoint = place.world.sagemaker.now(), place.endpoint()
    assert endpoint.invoke([fakes.ROW]).variant == "fallback"
    wait_until(lambda: len(list(endpoint.captures(since))) == 2)
    found = {record.variant: record for record in endpoint.captures(since)}
    assert found[f"v{script_mode.SAVED}"].status == 500
    assert (found["fallback"].status, found["fallback"].chosen) == (200, "failover")


def test_a_failing_shadow_is_captured(place: Place) -> None:
    place.deploy("shadow", 1, fakes.FAILING)
    since, endpoint = place.world.sagemaker.now(), place.endpoint()
    assert endpoint.invoke([fakes.ROW], inference_id="mine").variant == "v1"
    wait_until(lambda: len(list(endpoint.captures(since))) == 2)
    found = {record.role: record for record in endpoint.captures(since)}
    assert (found["shadow"].status, found["shadow"].inference_id) == (500, "mine")


def test_its_instruments(place: Place) -> None:
    endpoint = place.endpoint()
    assert isinstance(endpoint, Endpoint)
    assert isinstance(endpoint, Instruments)
    since = place.world.sagemaker.now() - timedelta(minutes=1)
    for _ in range(5):
        endpoint.invoke([fakes.ROW])
    place.world.sagemaker.advance(timedelta(minutes=5))
    until = place.world.sagemaker.now()
    metrics = endpoint.metrics().several(("invocations", "errors", "latency"), ("v1", "v2"), since, until)
    assert sum(value for _, value in metrics["invocations"]["v1"]) == 5
    assert sum(value for _, value in metrics["errors"]["v1"]) == 0
    # Milliseconds of a real process.
    assert all(0 < value < 60_000 for _, value in metrics["latency"]["v1"])
    assert "v2" not in metrics["invocations"]
    resources = endpoint.resources(since, until)
    assert resources.keys() == {"memory", "cpu"}
    for by_variant in resources.values():
        assert by_variant.keys() == {"v1"}
        assert all(0 <= value <= 100 for _, value in by_variant["v1"])


def test_ground_truth_is_kept_in_the_store(place: Place) -> None:
    label = GroundTruth(inference_id="mine", label=1.0, at=utc_now())
    place.endpoint().send_ground_truth([label])
    assert list(read_ground_truth(place.store, fakes.MODEL, label.at - timedelta(minutes=1))) == [label]


def test_where_it_is(place: Place) -> None:
    endpoint = place.endpoint()
    assert endpoint.url == f"{place.world.sagemaker.url}/endpoints/{place.name}/invocations"
    assert endpoint.page.endswith(f"#/endpoints/{place.name}")
    assert endpoint.slowest == timedelta(hours=1)


def test_what_no_kept_version_needs_goes(place: Place) -> None:
    place.deploy("canary", 1, 2, weight=0.1)
    place.deploy("promote", 2)
    place.deploy("promote", 3)
    live = place.described()["EndpointConfigName"]
    assert not place.cleaner().unused({3}).configurations
    unused = place.cleaner().unused({3}, grace=timedelta(0))
    assert set(unused.configurations) == place.configurations() - {live}
    # Version 2 is live without traffic, version 3 is kept.
    assert [name.split("-")[3] for name in unused.models] == ["v1"]
    place.cleaner().remove(unused)
    place.cleaner().remove(unused)
    assert place.configurations() == {live}
    place.deploy("rollback", 1)
    assert place.endpoint().describe().champion == 1


def test_a_teardown_leaves_nothing_and_may_be_repeated(place: Place) -> None:
    for _ in range(2):
        place.cleaner().teardown()
    assert not place.configurations()
    wait_until(lambda: place.endpoint().describe() == NOTHING)
    with pytest.raises(EndpointError, match=place.name):
        place.endpoint().invoke([fakes.ROW])
