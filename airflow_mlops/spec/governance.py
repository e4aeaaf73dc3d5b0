"""Who answers for a model: who owns it, who must approve its versions, and what its card has to say."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration

#: Reasons to ask people, beside ``always``: see :class:`Approval`.
ApprovalRule = Literal["first", "worse", "warnings", "slices", "shaped", "spec"]
#: Sections of a model card that a spec can require.
CardSection = Literal[
    "purpose",
    "owner",
    "users",
    "out_of_scope",
    "data",
    "data_tests",
    "training",
    "performance",
    "slices",
    "fairness",
    "limits",
    "risks",
    "oversight",
    "ageing",
    "approvals",
    "monitoring",
]
#: As FAB's table of roles has it.
RoleName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^\S(.*\S)?$")]


class Access(Section):
    """Which roles of Airflow may see and run the DAGs of the model, beside those that may do so with all DAGs.

    Airflow's auth manager has to know access per DAG: the FAB provider's does, the simple one does not. ``access: {}``
    takes away what an earlier spec gave.
    """

    view: tuple[RoleName, ...] = Field((), description="Roles that see the DAGs, their runs and logs.")
    run: tuple[RoleName, ...] = Field(
        (), description="Roles that also trigger, clear, approve and roll back."
    )

    @model_validator(mode="after")
    def _named_once(self) -> Access:
        counted = Counter((*self.view, *self.run))
        twice = [role for role, times in counted.items() if times > 1]
        if twice:
            raise ValueError(f"roles named twice: {', '.join(twice)}; who runs also views, so name each once")
        return self


class Approval(Section):
    """Whether people must say yes before a registered version meets live requests.

    ``approval: required`` in YAML is the same as ``approval: {}``: always, by one person, within a day.
    """

    when: Literal["always"] | tuple[ApprovalRule, ...] = Field(
        "always",
        description="always, or the reasons of which one is enough: first (no champion yet), worse (a metric is worse "
        "than the champion's), warnings (data tests warned), slices (a slice is worse than the champion's), shaped "
        "(answers of the model may have shaped its data), spec (the spec is not that of the champion).",
    )
    people: Literal[1, 2] = Field(
        1, description="2: two different people, neither of whom started the release."
    )
    users: tuple[str, ...] = Field(
        (),
        description="Airflow users who may answer, by their id in the auth manager (with the simple one that is the "
        "name); everybody who may run the DAG, without.",
    )
    timeout: Duration = Field(
        timedelta(days=1), description="No answer of a person within this time is a no."
    )

    @model_validator(mode="after")
    def _enough(self) -> Approval:
        named = len(set(self.users))
        if self.users and named < self.people:
            raise ValueError(f"users names {named} who may answer, and people asks for {self.people}")
        if self.when == ():
            raise ValueError("when is empty: nobody would ever be asked; give always, or leave approval out")
        return self

    @property
    def longest(self) -> timedelta:
        """How long a release may wait for people: they are asked one after another."""
        return self.timeout * self.people


class Card(Section):
    """What only people can say of a model, for its card; and what a card must hold before a version is registered."""

    purpose: str = Field("", description="What it is for.")
    users: str = Field("", description="Who uses its answers, and how.")
    out_of_scope: str = Field("", description="What it must not be used for.")
    limits: str = Field("", description="Where it is known to be weak.")
    risks: str = Field("", description="Who can be harmed by a wrong answer, and what is done about it.")
    oversight: str = Field("", description="How people watch it and can overrule it.")
    required: tuple[CardSection, ...] = Field(
        (), description="Sections without which no version is registered."
    )

    @model_validator(mode="after")
    def _said(self) -> Card:
        written = ("purpose", "users", "out_of_scope", "limits", "risks", "oversight")
        missing = [name for name in written if name in self.required and not getattr(self, name).strip()]
        if missing:
            raise ValueError(f"required sections that nobody wrote: {', '.join(missing)}")
        return self
