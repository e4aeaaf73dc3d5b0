"""Endpoints as the control plane shows them: what is refused, how they change, what goes wrong."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from airflow_mlops.testing.sagemaker.faults import Fault
from airflow_mlops.testing.sagemaker.simulator import Timing
from tests.core.aws.world import simulated
from tests.testing.sagemaker.hosted import IMAGE, ROLE, SCRIPT, Hosted, variant

pytestmark = pytest.mark.long


@pytest.fixture
def hosted(world):
    return Hosted(world)


def test_an_endpoint_comes_up_and_answers(hosted):
    described = hosted.create(hosted.config(variant(hosted.model(10), InitialInstanceCount=2)))
    assert described["EndpointStatus"] == "InService"
    (shown,) = described["ProductionVariants"]
    assert (shown["CurrentWeight"], shown["DesiredInstanceCount"]) == (1.0, 2)
    assert hosted.invoke({"x": [1, 2]}) == ([11, 12], "v1")


def test_what_is_missing_is_named_by_its_arn(hosted):
    cases = {
        "create_endpoint_config": {"EndpointConfigName": "c", "ProductionVariants": [variant("nowhere")]},
        "create_endpoint": {"EndpointName": "e", "EndpointConfigName": "nowhere"},
        "describe_endpoint": {"EndpointName": "nowhere"},
        "describe_endpoint_config": {"EndpointConfigName": "nowhere"},
        "describe_model": {"ModelName": "nowhere"},
        "delete_endpoint": {"EndpointName": "nowhere"},
        "update_endpoint": {"EndpointName": "nowhere", "EndpointConfigName": "c"},
    }
    for call, params in cases.items():
        with pytest.raises(ClientError, match=r'Could not find .*"arn:aws:sagemaker:.*/nowhere"') as failed:
            getattr(hosted.sagemaker, call)(**params)
        assert failed.value.response["Error"]["Code"] == "ValidationException"


def test_what_is_there_is_not_created_twice(hosted):
    model = hosted.model()
    config = hosted.config(variant(model))
    hosted.create(config)
    container = {"Image": IMAGE}
    for call, params in {
        "create_model": {"ModelName": model, "ExecutionRoleArn": ROLE, "PrimaryContainer": container},
        "create_endpoint_config": {"EndpointConfigName": config, "ProductionVariants": [variant(model)]},
        "create_endpoint": {"EndpointName": hosted.name, "EndpointConfigName": config},
    }.items():
        with pytest.raises(ClientError, match="Cannot create already existing"):
            getattr(hosted.sagemaker, call)(**params)


def test_a_model_whose_data_is_not_there_is_refused(hosted):
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{hosted.world.bucket}/nowhere/model.tar.gz"}
    with pytest.raises(ClientError, match="Could not find model data at s3://"):
        hosted.sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container)


def test_shadows_go_with_one_production_variant(hosted):
    model = hosted.model()
    with pytest.raises(ClientError, match="you can only specify one variant for ProductionVariants"):
        hosted.config(
            variant(model), variant(model, "v2"), ShadowProductionVariants=[variant(model, "shadow")]
        )
    with pytest.raises(ClientError, match="unique"):
        hosted.config(variant(model), ShadowProductionVariants=[variant(model)])


def test_an_update_moves_to_the_new_configuration(hosted):
    hosted.create(hosted.config(variant(hosted.model(1))))
    second = hosted.config(variant(hosted.model(2), "v2"))
    hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=second)
    changing = hosted.describe()
    assert changing["EndpointStatus"] == "Updating"
    assert changing["PendingDeploymentSummary"]["EndpointConfigName"] == second
    assert hosted.invoke() == ([2], "v1")
    settled = hosted.settled()
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", second)
    assert "PendingDeploymentSummary" not in settled
    assert hosted.invoke() == ([3], "v2")


def test_nothing_changes_an_endpoint_that_changes(hosted):
    model = hosted.model()
    hosted.create(hosted.config(variant(model)))
    config = hosted.config(variant(model))
    hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=config)
    with pytest.raises(ClientError, match='Cannot update in-progress endpoint "arn:aws:'):
        hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=config)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        hosted.sagemaker.delete_endpoint(EndpointName=hosted.name)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        hosted.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=hosted.name,
            DesiredWeightsAndCapacities=[{"VariantName": "v1", "DesiredWeight": 2}],
        )


def test_a_configuration_in_use_can_be_deleted_but_the_endpoint_not_updated_then(hosted):
    model = hosted.model()
    first, second = hosted.config(variant(model)), hosted.config(variant(model))
    hosted.create(first)
    hosted.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    assert hosted.invoke()[1] == "v1"
    with pytest.raises(ClientError, match=f"Could not find endpoint configuration .*{first}"):
        hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=second)


def test_an_update_needs_another_configuration(hosted):
    config = hosted.config(variant(hosted.model()))
    hosted.create(config)
    with pytest.raises(ClientError, match="with its current endpoint configuration"):
        hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=config)


def test_retained_properties(hosted):
    model = hosted.model()
    both = (variant(model, "v1", 1), variant(model, "v2", 0))
    hosted.create(hosted.config(*both))
    hosted.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=hosted.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "v1", "DesiredWeight": 0.25, "DesiredInstanceCount": 3},
            {"VariantName": "v2", "DesiredWeight": 0.75},
        ],
    )
    hosted.settled()
    hosted.sagemaker.update_endpoint(
        EndpointName=hosted.name,
        EndpointConfigName=hosted.config(*both),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )
    shown = {one["VariantName"]: one for one in hosted.settled()["ProductionVariants"]}
    assert [shown[name]["CurrentWeight"] for name in ("v1", "v2")] == [0.25, 0.75]
    assert shown["v1"]["CurrentInstanceCount"] == 1


def test_weights_change_in_one_call(hosted):
    hosted.create(hosted.config(variant(hosted.model(1)), variant(hosted.model(2), "v2", 0)))
    hosted.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=hosted.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "v1", "DesiredWeight": 0},
            {"VariantName": "v2", "DesiredWeight": 1},
        ],
    )
    changing = hosted.describe()
    assert changing["EndpointStatus"] == "Updating"
    assert [one["DesiredWeight"] for one in changing["ProductionVariants"]] == [0, 1]
    settled = hosted.settled()
    assert [one["CurrentWeight"] for one in settled["ProductionVariants"]] == [0, 1]
    assert {hosted.invoke()[1] for _ in range(5)} == {"v2"}


def test_weights_of_unknown_variants_or_without_any_are_refused(hosted):
    hosted.create(hosted.config(variant(hosted.model())))
    for change, message in (
        ({"VariantName": "other", "DesiredWeight": 1}, "Could not find variant"),
        ({"VariantName": "v1", "DesiredWeight": 0}, "greater than 0"),
    ):
        with pytest.raises(ClientError, match=message):
            hosted.sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=hosted.name, DesiredWeightsAndCapacities=[change]
            )
    assert hosted.describe()["EndpointStatus"] == "InService"


def test_a_model_that_does_not_load_fails_the_endpoint(hosted):
    broken = hosted.model(script="raise RuntimeError('no')")
    described = hosted.create(hosted.config(variant(broken)))
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant v1 did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    logs = hosted.world.aws.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{hosted.name}")["events"]
    assert any("RuntimeError: no" in one["message"] for one in events)
    hosted.sagemaker.delete_endpoint(EndpointName=hosted.name)


def test_a_container_that_never_answers_fails_in_its_time(s3_server):
    import contextlib

    timing = Timing(startup=timedelta(seconds=1))
    with simulated(contextlib.nullcontext(s3_server), timing=timing) as world:
        hosted = Hosted(world)
        described = hosted.create(hosted.config(variant(hosted.model(script="import time; time.sleep(600)"))))
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]


def test_an_update_to_a_broken_model_rolls_back(hosted):
    first = hosted.config(variant(hosted.model(1)))
    hosted.create(first)
    broken = hosted.config(variant(hosted.model(script="raise RuntimeError('no')")))
    hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=broken)
    settled = hosted.settled()
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", first)
    assert "ping health check" in settled["FailureReason"]
    assert hosted.invoke() == ([2], "v1")


def test_there_may_be_no_machines(hosted):
    hosted.world.sagemaker.order(Fault("capacity", "CreateEndpoint"))
    described = hosted.create(hosted.config(variant(hosted.model())))
    assert described["EndpointStatus"] == "Failed"
    assert "InsufficientInstanceCapacity" in described["FailureReason"]


@pytest.mark.parametrize("message", ["Out of luck.", ""])
def test_an_update_can_be_ordered_to_fail_also_without_a_word(hosted, message):
    first = hosted.config(variant(hosted.model(1)))
    hosted.create(first)
    hosted.world.sagemaker.order(Fault("update_fails", "UpdateEndpoint", message=message))
    hosted.sagemaker.update_endpoint(
        EndpointName=hosted.name, EndpointConfigName=hosted.config(variant(hosted.model(2)))
    )
    settled = hosted.settled()
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", first)
    assert settled.get("FailureReason", "") == message


def test_a_rollback_that_fails_leaves_both_until_the_endpoint_is_deleted(hosted):
    hosted.create(hosted.config(variant(hosted.model(1))))
    hosted.world.sagemaker.order(Fault("update_fails", "UpdateEndpoint", message="Out of luck."))
    hosted.world.sagemaker.order(Fault("rollback_fails", "UpdateEndpoint", message="No way back."))
    second = hosted.config(variant(hosted.model(2)))
    hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=second)
    settled = hosted.settled()
    assert (settled["EndpointStatus"], settled["FailureReason"]) == ("UpdateRollbackFailed", "No way back.")
    assert {hosted.invoke()[0][0] for _ in range(60)} == {2, 3}
    with pytest.raises(ClientError, match="with status UpdateRollbackFailed"):
        hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=second)
    hosted.sagemaker.delete_endpoint(EndpointName=hosted.name)
    hosted.until(lambda: not hosted.world.sagemaker.simulator.room(_hosting())._containers)


def test_a_deleted_endpoint_is_gone_with_its_processes(hosted):
    hosted.create(hosted.config(variant(hosted.model())))
    (container,) = hosted.world.sagemaker.simulator.room(_hosting())._containers
    pid = container.pid
    hosted.sagemaker.delete_endpoint(EndpointName=hosted.name)
    with pytest.raises(ClientError, match="not found"):
        hosted.invoke()
    hosted.until(lambda: not _shown(hosted))
    hosted.until(lambda: not _alive(pid))


def test_processes_die_with_the_simulator(s3_server):
    import contextlib

    with simulated(contextlib.nullcontext(s3_server)) as world:
        hosted = Hosted(world)
        hosted.create(hosted.config(variant(hosted.model())))
        (container,) = world.sagemaker.simulator.room(_hosting())._containers
        pid = container.pid
        assert _alive(pid)
    assert not _alive(pid)


def test_processes_die_with_a_simulator_that_is_killed(s3_server):
    import subprocess
    import sys

    script = (
        "import contextlib, sys, time; from tests.core.aws.world import simulated; "
        "from tests.servers import S3Server; from tests.testing.sagemaker.hosted import Hosted, variant; "
        "from airflow_mlops.testing.sagemaker.hosting import Hosting\n"
        "with simulated(contextlib.nullcontext(S3Server('s3', sys.argv[1]))) as world:\n"
        "    hosted = Hosted(world); hosted.create(hosted.config(variant(hosted.model())))\n"
        "    print(next(iter(world.sagemaker.simulator.room(Hosting)._containers)).pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, s3_server.endpoint], stdout=subprocess.PIPE
    ) as process:
        pid = int(process.stdout.readline())
        assert _alive(pid)
        process.kill()
    until = time.monotonic() + 30
    while _alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(pid)


def test_lists_are_newest_first_in_pages(hosted):
    configs = [hosted.config(variant(hosted.model())) for _ in range(3)]
    page = hosted.sagemaker.list_endpoint_configs(MaxResults=2)
    rest = hosted.sagemaker.list_endpoint_configs(MaxResults=2, NextToken=page["NextToken"])
    names = [one["EndpointConfigName"] for one in [*page["EndpointConfigs"], *rest["EndpointConfigs"]]]
    assert names == configs[::-1]
    assert len(hosted.sagemaker.list_models(MaxResults=10)["Models"]) == 3


def test_a_script_finds_only_what_a_container_has(hosted):
    nosy = f"import airflow_mlops\n{SCRIPT}"
    assert hosted.create(hosted.config(variant(hosted.model(script=nosy))))["EndpointStatus"] == "Failed"


def test_code_may_come_from_s3(hosted):
    from tests.testing.sagemaker.hosted import archive

    world, model = hosted.world, hosted.model(5, script="")
    world.s3.put_object(Bucket=world.bucket, Key="code.tar.gz", Body=archive({"serve.py": SCRIPT}))
    container = hosted.sagemaker.describe_model(ModelName=model)["PrimaryContainer"]
    container["Environment"] = {
        "SAGEMAKER_PROGRAM": "serve.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{world.bucket}/code.tar.gz",
    }
    hosted.sagemaker.create_model(ModelName="other", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    hosted.create(hosted.config(variant("other")))
    assert hosted.invoke() == ([6], "v1")


def _hosting():
    from airflow_mlops.testing.sagemaker.hosting import Hosting

    return Hosting


def _shown(hosted):
    try:
        return hosted.describe()
    except ClientError:
        return None


def _alive(pid):
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_what_is_shown_may_lag_behind(s3_server):
    import contextlib

    with simulated(contextlib.nullcontext(s3_server), timing=Timing(lag=timedelta(hours=1))) as world:
        hosted = Hosted(world)
        new = {"EndpointName": hosted.name, "EndpointConfigName": hosted.config(variant(hosted.model(1)))}
        with pytest.raises(ClientError, match="Could not find endpoint configuration"):
            hosted.sagemaker.create_endpoint(**new)
        hosted.advance(hours=1)
        hosted.sagemaker.create_endpoint(**new)
        with pytest.raises(ClientError, match="Could not find endpoint"):
            hosted.describe()
        hosted.until(lambda: _shown(hosted) or hosted.advance(minutes=31))
        assert hosted.describe()["EndpointStatus"] == "Creating"
