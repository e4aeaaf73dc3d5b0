"""Which gates of a rollout ask for the instruments of an endpoint, and whether it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.serving.base import Instruments

if TYPE_CHECKING:
    from airflow_mlops.core.gates import Gate
    from airflow_mlops.spec import Rollout


def machine_metrics(rollout: Rollout) -> tuple[str, ...]:
    """The metrics of the machine that some stage of a rollout has a gate on, sorted."""
    gates: list[Gate] = [*(rollout.shadow.gates if rollout.shadow else ())]
    if rollout.canary:
        gates += [*rollout.canary.gates, *(gate for step in rollout.canary.steps for gate in step.gates)]
    return tuple(sorted({gate.metric for gate in gates if gate.on_machine}))


def require_instruments(rollout: Rollout, endpoint: object) -> None:
    """Refuse a rollout with gates on the machine, at an endpoint that does not say what its variants take.

    :raises SpecError: naming the metrics.
    """
    wanted = " and ".join(machine_metrics(rollout))
    if wanted and not isinstance(endpoint, Instruments):
        raise SpecError(
            f"a gate of the rollout is on {wanted}, and this endpoint does not say what its variants take",
            given=type(endpoint).__name__,
            expected="an endpoint with instruments: the local server, or SageMaker",
            remedy=f"remove the gate on {wanted}, or use another endpoint",
        )
