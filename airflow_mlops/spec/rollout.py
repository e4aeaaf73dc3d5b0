"""How a challenger proves itself on live requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration


class Shadow(Section):
    """The challenger answers a copy of every request; nobody sees its answers."""

    min_samples: int = Field(1000, ge=1, description="Least number of paired requests before a pass.")
    max_duration: Duration = Field(timedelta(hours=24), description="Then the stage is inconclusive.")
    gates: tuple[Gate, ...] = Field(min_length=1)


class Step(Section):
    """One step of a canary: a share of the requests, how long at least, and gates of this step alone."""

    weight: float = Field(gt=0, lt=1, description="The challenger's share of the requests.")
    dwell: Duration | None = Field(None, description="Least time at this share before the step may pass.")
    gates: tuple[Gate, ...] = Field((), description="Gates of this step, beside those of the canary.")


def _parse_step(value: Any) -> Any:
    return {"weight": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class Canary(Section):
    """The challenger answers a growing share of the requests."""

    steps: tuple[Annotated[Step, BeforeValidator(_parse_step)], ...] = Field(
        (Step(weight=0.1), Step(weight=0.5)),
        min_length=1,
        description="Shares, or steps with a dwell time and gates.",
    )
    min_samples: int = Field(1000, ge=1, description="Least number of the challenger's requests per step.")
    max_duration: Duration = Field(
        timedelta(hours=24), description="Per step; then the step is inconclusive."
    )
    gates: tuple[Gate, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> Canary:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise ValueError("steps rise, for example [0.1, 0.5]")
        for step in self.steps:
            if step.dwell is not None and step.dwell > self.max_duration:
                raise ValueError(f"the dwell time of step {step.weight:g} is longer than max_duration")
        return self

    def step(self, weight: float) -> Step:
        """The step with this share. :raises KeyError: if there is none."""
        for step in self.steps:
            if step.weight == weight:
                return step
        raise KeyError(weight)


class Replay(Section):
    """The challenger answers requests that were captured before, ahead of any traffic."""

    window: Duration = Field(timedelta(days=1), description="Captured traffic that is asked again.")
    max_requests: int = Field(20_000, ge=1, description="Most requests that are asked again, the newest.")
    min_samples: int = Field(1000, ge=1, description="Least number of paired requests before a pass.")
    gates: tuple[Gate, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _reachable(self) -> Replay:
        if self.min_samples > self.max_requests:
            raise ValueError(
                f"min_samples is above max_requests ({self.max_requests}), so that nothing would ever pass"
            )
        return self


Stage = Literal["replay", "shadow", "canary"]


class Rollout(Section):
    """How much evidence a promotion needs. ``alpha`` is the error budget of a stage, split over its gates."""

    alpha: float = Field(0.05, gt=0, le=0.2)
    replay: Replay | None = None
    shadow: Shadow | None = None
    canary: Canary | None = None
    slices: tuple[str, ...] = Field(
        (), description="Request columns; a challenger that is too bad for one of their values is stopped."
    )
    max_slices: int = Field(
        20, ge=1, le=1000, description="Values per column that are watched, in the order of appearance."
    )
    inconclusive: Literal["rollback", "hold"] = Field(
        "rollback", description="What an undecided stage does at its end: go back, or wait for a person."
    )
    max_hold: Duration = Field(
        timedelta(days=7), description="A hold ends with the champion alone after this."
    )

    @model_validator(mode="after")
    def _some_stage(self) -> Rollout:
        if self.shadow is None and self.canary is None:
            raise ValueError(
                "a rollout has a shadow stage, a canary stage or both: without one nothing is proved"
            )
        return self

    @property
    def stages(self) -> tuple[tuple[Stage, float], ...]:
        """The stages in their order, each with the challenger's share of the live requests, 0 before the canary."""
        stages: list[tuple[Stage, float]] = [("replay", 0.0)] if self.replay else []
        stages += [("shadow", 0.0)] if self.shadow else []
        stages += [("canary", step.weight) for step in (self.canary.steps if self.canary else ())]
        return tuple(stages)
