"""From the bytes of the source to the endpoint: hashes, files, policy, erasures, and what could not be read."""

from __future__ import annotations

from airflow_mlops.core.card.blocks import Block, Cell, Code, Facts, Part, Pre, Table, Words, capped
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.sections.on_training import parts_by_hash
from airflow_mlops.core.wording import count, line, moment, short, size


def lineage(dossier: Dossier) -> Part:
    """What the version consists of, and the files it learned from, by the hash of their bytes."""
    blocks: list[Block] = [
        Words("Every part is named by the SHA-256 of its bytes."),
        Facts(parts_by_hash(dossier)),
    ]
    rows: list[tuple[Cell, ...]] = [
        (
            Code(line(f"{version.name}: {file.source}", 300)),
            Code(line(file.sha256)),
            count(file.rows),
            size(file.size),
        )
        for version in dossier.trail.sources
        for file in version.files
    ]
    if rows:
        caption, shown = capped("Source files", rows)
        blocks.append(Table(caption, ("file", "SHA-256", "rows", "size"), shown, numbers=2))
    blocks += _policy(dossier)
    commands = (
        f"airflow-mlops lineage {dossier.name} --store STORE\n"
        f"airflow-mlops story {dossier.name} --store STORE\n"
        f"airflow-mlops audit verify {dossier.model} --store STORE"
    )
    blocks += [
        Words("The whole path, the story, and the proof that nothing was edited:", note=True),
        Pre(commands),
    ]
    return Part("lineage", "Lineage and hashes", blocks)


def erasures(dossier: Dossier) -> Part:
    """Persons whose rows were taken out of its data."""
    if not dossier.erasures:
        return Part("erasures", "Erasures", [Words("No erasure touches its data.")])
    rows: list[tuple[Cell, ...]] = []
    for one in dossier.erasures:
        taken = sum(stone.rows for stone in one.tombstones)
        learned = "yes: train again" if dossier.version in one.retrain else "no"
        rows.append(
            (
                moment(one.at),
                one.state,
                Code(short(line(one.subject))),
                count(taken),
                learned,
                line(one.why, 300),
            )
        )
    caption, shown = capped("Erasures in its data; the subject is a keyed hash", rows)
    head = ("when", "state", "subject", "rows", "it learned from them", "why")
    return Part("erasures", "Erasures", [Table(caption, head, shown)])


def gaps(dossier: Dossier) -> Part:
    """What should be there and could not be read."""
    rows: list[tuple[Cell, ...]] = [(line(one.what, 120), line(one.why, 400)) for one in dossier.gaps]
    caption, shown = capped("Not in the store, or not readable", rows)
    return Part("gaps", "What could not be read", [Table(caption, ("what", "why"), shown)])


def _policy(dossier: Dossier) -> list[Block]:
    policy = dossier.policy
    if policy is None:
        told = "Since when its spec was the policy was not written down."
        return [Words(told, note=True)]
    pairs: list[tuple[str, Cell]] = [
        ("policy (spec) since", moment(policy.at)),
        ("brought by", line(policy.who, 100)),
        ("spec", Code(line(policy.spec))),
    ]
    return [Facts(pairs)]
