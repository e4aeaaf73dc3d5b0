import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.judge import check_gates
from airflow_mlops.core.rollout.scales import scale_of
from airflow_mlops.spec import Canary, Replay, Rollout, Shadow
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
        Gate(metric="brier", margin=0.1, slice="carrier=UA"),
        Gate(metric="accuracy", min=0.7),
        Gate(metric="accuracy", margin=0.01),
        Gate(metric="latency_quantile", margin=0, quantile=0.95),
        Gate(metric="latency_quantile", max=250),
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
        (Gate(metric="brier", margin=0.1, slice="carrier"), "not a slice; slice is malformed; given carrier"),
        (
            Gate(metric="brier", margin=0.1, slice="distance=[500,1000)"),
            "ranges and several conditions can't be judged on live traffic; given distance=[500,1000)",
        ),
        (
            Gate(metric="brier", margin=0.1, slice="carrier=UA & origin=EWR"),
            "ranges and several conditions can't be judged on live traffic",
        ),
        (Gate(metric="latency", margin=0.01), "the milliseconds within which"),
        (Gate(metric="latency", margin=0.01, threshold=0), "expected a number above 0"),
        (Gate(metric="error_rate", min=0.1), "less error_rate is better"),
        (Gate(metric="error_rate", max=0), "more than 0 and less than 1"),
        (Gate(metric="brier", max=1), "out of its range; given 1.0"),
        (Gate(metric="error_rate", margin=1), "more than -1 and less than 1"),
        (Gate(metric="log_loss", max=0.001), "more than 0.01005 and less than 4.605"),
        (Gate(metric="mae", margin=1), "at which a row's loss is capped"),
        (Gate(metric="mae", margin=11, threshold=10), "less than 10"),
        (Gate(metric="accuracy", max=0.9), "more accuracy is better, so max would ask for a bad model"),
        (Gate(metric="accuracy", min=1), "min of accuracy is out of its range"),
        (Gate(metric="latency_quantile", min=5), "less latency_quantile is better"),
        (Gate(metric="latency_quantile", max=0), "expected milliseconds"),
        (Gate(metric="latency_quantile", margin=-1), "limit of latency_quantile is out of its range"),
    ],
)
def test_gate_that_cannot_be_judged_is_refused_in_one_line(gate, words):
    with pytest.raises(SpecError) as error:
        check_gates(rollout(GOOD, gate))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("metric", ["disagreement", "score_shift"])
def test_comparison_of_two_answers_needs_both(metric):
    gate = Gate(metric=metric, max=0.1, threshold=5)
    check_gates(Rollout(shadow=Shadow(gates=(gate,)), replay=Replay(gates=(gate,))), "binary")
    for canary in (Canary(gates=(gate,)), Canary(gates=(GOOD,), steps=({"weight": 0.1, "gates": (gate,)},))):
        with pytest.raises(SpecError, match=f"{metric} needs both answers to one request"):
            check_gates(Rollout(canary=canary), "binary")
    with pytest.raises(SpecError, match="compares the challenger with the champion already; use max"):
        check_gates(Rollout(shadow=Shadow(gates=(Gate(metric=metric, margin=0.1, threshold=5),))))


@pytest.mark.parametrize("metric", ["latency", "latency_quantile"])
def test_replay_has_no_latency(metric):
    replay = Replay(gates=(Gate(metric=metric, max=0.5, threshold=5),), min_samples=1)
    with pytest.raises(SpecError, match="latency can't be judged in replay"):
        check_gates(Rollout(shadow=Shadow(gates=(GOOD,)), replay=replay))


def test_gates_of_a_step_are_checked_too():
    canary = Canary(gates=(GOOD,), steps=(0.1, {"weight": 0.5, "gates": (Gate(metric="auc", min=0.5),)}))
    with pytest.raises(SpecError, match=r"rollout\.canary\.steps\.1\.gates\.0: auc can't be judged"):
        check_gates(Rollout(canary=canary))


@pytest.mark.parametrize(
    "metric,objective",
    [
        ("brier", "regression"),
        ("log_loss", "regression"),
        ("accuracy", "regression"),
        ("disagreement", "regression"),
        ("mae", "binary"),
    ],
)
def test_metric_of_another_objective_is_refused(metric, objective):
    limit = {"max": 0.01} if metric == "disagreement" else {"margin": 0.01}
    spec = Rollout(shadow=Shadow(gates=(Gate(metric=metric, threshold=1, **limit),)))
    check_gates(spec)
    with pytest.raises(SpecError, match=f"{metric} is not a metric of a {objective} model"):
        check_gates(spec, objective)


def test_loss_means_what_the_objective_asks():
    gate = Gate(metric="loss", margin=0.01, threshold=30)
    assert scale_of(gate, "binary").kind == "brier"
    assert (scale_of(gate, "regression").kind, scale_of(gate, "regression").span) == ("mae", 30.0)
    with pytest.raises(SpecError, match="loss needs a threshold"):
        check_gates(rollout(Gate(metric="loss", margin=0.01)), "regression")


def test_scale_of_a_changed_score():
    gate = Gate(metric="score_shift", max=0.1, threshold=20)
    assert scale_of(gate, "binary").span == 1.0
    assert scale_of(gate, "regression").span == 20.0
    with pytest.raises(SpecError, match="score_shift needs a threshold"):
        check_gates(Rollout(shadow=Shadow(gates=(Gate(metric="score_shift", max=0.1),))), "regression")
