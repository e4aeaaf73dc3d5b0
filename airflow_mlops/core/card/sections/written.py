"""What only people can say: purpose, owner, users, limits, risks, oversight."""

from __future__ import annotations

from airflow_mlops.core.card.blocks import Block, Code, Facts, Part, Words
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.fields import field, said, several
from airflow_mlops.core.card.presence import Known, missing
from airflow_mlops.core.wording import line

_HEADINGS = {
    "purpose": "Purpose",
    "users": "Users",
    "out_of_scope": "Out of scope",
    "limits": "Known limits",
    "risks": "Risks",
    "oversight": "Human oversight",
}


def known(dossier: Dossier) -> Known:
    """What the presence of sections is judged by."""
    return Known(
        dossier.record.spec,
        dossier.record.evaluation,
        dossier.validation,
        sum(len(one.answers) for one in dossier.approvals),
        len(dossier.looks),
    )


def absent(section: str, dossier: Dossier) -> list[Block]:
    """The note that a section lacks something; nothing where it does not."""
    found = missing(section, known(dossier))
    return [found] if found else []


def written(section: str, dossier: Dossier) -> Part:
    """One of the texts of ``card`` in the spec."""
    blocks = absent(section, dossier)
    if not blocks:
        blocks = [Words(line(said(dossier.record.spec, "card", section), 10_000))]
    if section == "purpose":
        blocks = [*blocks, *_task(dossier)]
    if section == "limits":
        blocks += _found_limits(dossier)
    return Part(section, _HEADINGS[section], blocks)


def owner(dossier: Dossier) -> Part:
    """Who answers for the model."""
    spec = dossier.record.spec
    pairs = [(name, line(said(spec, name))) for name in ("owner", "team", "contact") if said(spec, name)]
    access = field(spec, "access")
    if access is not None:
        for name in ("view", "run"):
            roles = ", ".join(str(one) for one in several(spec, "access", name))
            pairs.append((f"roles that {name} its DAGs", line(roles) or "those that Airflow grants"))
    pairs.append(("registered by", line(dossier.record.created_by)))
    return Part("owner", "Owner", [*absent("owner", dossier), Facts(pairs)])


def _task(dossier: Dossier) -> list[Block]:
    """What the model does, as far as the record says it."""
    record = dossier.record
    description = said(record.spec, "description")
    inputs = ", ".join(f"{one.name} ({one.type})" for one in record.trained.signature.inputs[:100])
    kind = {"binary": "the probability of", "regression": "an estimate of"}.get(record.trained.objective, "")
    label = said(record.spec, "data", "label") or "its label"
    pairs = [
        *([("description", line(description))] if description else []),
        ("answers with", f"{kind} {label}".strip()),
        ("asked with", line(inputs)),
    ]
    fallback = field(record.spec, "serving", "fallback")
    if fallback is not None:
        pairs.append(("when no version can answer", "the fallback rule of the spec answers"))
    return [Facts([(name, Code(text) if name == "asked with" else text) for name, text in pairs])]


def _found_limits(dossier: Dossier) -> list[Block]:
    """What the evaluation found beside what people wrote."""
    search = dossier.record.evaluation.search
    blocks: list[Block] = []
    if search is not None and search.slices:
        names = ", ".join(line(one.slice, 80) for one in search.slices[:5])
        blocks.append(
            Words(f"Found by the evaluation: it is weaker than elsewhere where {names}.", note=True)
        )
    shaped = dossier.record.shaped
    if shaped:
        blocks.append(
            Words(f"Answers of earlier versions may have shaped up to {shaped:.1%} of its rows.", note=True)
        )
    return blocks
