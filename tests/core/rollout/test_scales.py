import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.judge import check_gates
from airflow_mlops.core.rollout.scales import scale_of
from tests.core.rollout.traffic import rollout

GOOD = Gate(metric="error_rate", margin=0.01)


@pytest.mark.parametrize(
    "gate",
    [
        GOOD,
        Gate(metric="error_rate", max=0.02),
        Gate(metric="latency", threshold=100, margin=0.0),
        Gate(metric="brier", margin=-0.01),
        Gate(metric="log_loss", max=0.7),
        Gate(metric="log_loss", margin=1.5),
        Gate(metric="loss", margin=0.01),
    ],
)
def test_gates_of_live_traffic_are_accepted(gate):
    check_gates(rollout(gate))
    check_gates(rollout(gate), "binary")


@pytest.mark.parametrize(
    "gate,words",
    [
        (Gate(metric="auc", min=0.7), "rollout.shadow.gates.1: auc can't be judged on live traffic"),
        (Gate(metric="rmse", max=3), "rmse can't be judged"),
        (Gate(metric="brier", margin=0.1, slice="carrier=UA"), "given carrier=UA"),
        (Gate(metric="latency", margin=0.01), "the milliseconds within which"),
        (Gate(metric="latency", margin=0.01, threshold=0), "expected a number above 0"),
        (Gate(metric="error_rate", min=0.1), "less error_rate is better"),
        (Gate(metric="error_rate", max=0), "more than 0 and less than 1"),
        (Gate(metric="brier", max=1), "out of its range; given 1.0"),
        (Gate(metric="error_rate", margin=1), "more than -1 and less than 1"),
        (Gate(metric="log_loss", max=0.001), "more than 0.01005 and less than 4.605"),
        (Gate(metric="mae", margin=1), "at which a row's loss is capped"),
        (Gate(metric="mae", margin=11, threshold=10), "less than 10"),
    ],
)
def test_gate_that_cannot_be_judged_is_refused_in_one_line(gate, words):
    with pytest.raises(SpecError) as error:
        check_gates(rollout(GOOD, gate))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "metric,objective", [("brier", "regression"), ("log_loss", "regression"), ("mae", "binary")]
)
def test_metric_of_another_objective_is_refused(metric, objective):
    gate = Gate(metric=metric, margin=0.01, threshold=1)
    check_gates(rollout(gate))
    with pytest.raises(SpecError, match=f"{metric} is not a metric of a {objective} model"):
        check_gates(rollout(gate), objective)


def test_loss_means_what_the_objective_asks():
    gate = Gate(metric="loss", margin=0.01, threshold=30)
    assert scale_of(gate, "binary").kind == "brier"
    assert (scale_of(gate, "regression").kind, scale_of(gate, "regression").span) == ("mae", 30.0)
    with pytest.raises(SpecError, match="loss needs a threshold"):
        check_gates(rollout(Gate(metric="loss", margin=0.01)), "regression")
