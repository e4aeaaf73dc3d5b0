"""Gate results, in our facets' words and in OpenLineage's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from openlineage.client.facet_v2 import test_run

from airflow_mlops.core.gates import GateResult
from airflow_mlops.core.lineage.facets import PRODUCER


def gate_words(results: Sequence[GateResult]) -> list[dict[str, Any]]:
    """The results for our facets: only what is known."""
    return [_words(result) for result in results]


def gate_tests(results: Sequence[GateResult]) -> test_run.TestRunFacet:
    """The results as OpenLineage's own ``test`` facet; what could not be decided did not pass: it fails."""
    return test_run.TestRunFacet(
        tests=[
            test_run.TestExecution(
                name=result.gate.name,
                status="pass" if result.passed else "fail",
                severity="error",
                type="gate",
                description=result.reason,
                expected=result.gate.limit_text,
                actual=None if result.value is None else f"{result.value:g}",
                params={"outcome": result.outcome},
            )
            for result in results
        ],
        producer=PRODUCER,
    )


def _words(result: GateResult) -> dict[str, Any]:
    numbers = {
        "value": result.value,
        "champion": result.champion,
        "bound": result.bound,
        "samples": result.samples,
    }
    return {
        "name": result.gate.name,
        "outcome": result.outcome,
        "limit": result.gate.limit_text,
        **{name: value for name, value in numbers.items() if value is not None and math.isfinite(value)},
        "reason": result.reason,
    }
