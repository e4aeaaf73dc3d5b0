"""The sections of the page: what is short stands there, what is long is folded below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from airflow_mlops.core.card.as_html import blocks_as_html
from airflow_mlops.core.card.blocks import Block, Cell, Code, Facts, Missing, Part, Pre, Table, Words, capped
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.sections import on_data, on_life, on_lineage, on_quality, on_training
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.reproduction.record import Reproduction
from airflow_mlops.core.wording import counted, line, moment, some
from airflow_mlops.ui.version_parts.data_change import changes, command
from airflow_mlops.ui.version_parts.stored import picture_digest

#: Expectations that a heading names as failed.
_NAMED = 3
_EMPTY = Markup()


@dataclass(frozen=True)
class Report:
    """A stored page that is shown in a frame of its own.

    :param of: the record that names it, see :func:`~airflow_mlops.ui.version_parts.stored.read_stored`.
    :param shown: False for one that is only linked.
    """

    kind: str
    digest: str
    of: str
    title: str
    shown: bool = True


@dataclass(frozen=True)
class Fold:
    """What is shown when somebody asks for it.

    :param said: beside the heading, so that nobody has to open it in vain.
    """

    heading: str
    said: str = ""
    body: Markup = _EMPTY
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True)
class Section:
    """One section of the page. :param key: what it is linked by."""

    key: str
    heading: str
    body: Markup
    folds: tuple[Fold, ...] = ()


def sections(
    dossier: Dossier, before: tuple[int, DatasetVersion] | None, looks: tuple[Report, ...] = ()
) -> tuple[Section, ...]:
    """All sections, in their order.

    :param before: number and data of the version before it.
    :param looks: reports of the monitor.
    """
    return (
        _data(dossier, before),
        _tests(dossier),
        _evaluation(dossier),
        _approvals(dossier),
        _traffic(dossier, looks),
        _reproductions(dossier),
        _making(dossier),
    )


def gaps(dossier: Dossier) -> Markup | None:
    """What should be in the store and could not be read; None where nothing is missing."""
    return drawn(on_lineage.gaps(dossier).blocks) if dossier.gaps else None


def drawn(blocks: Iterable[Block]) -> Markup:
    """Blocks as HTML, in which whatever came from data is escaped."""
    return Markup(blocks_as_html(blocks))  # noqa: S704 - as_html escapes; tested with hostile records


def _data(dossier: Dossier, before: tuple[int, DatasetVersion] | None) -> Section:
    version = dossier.trail.dataset
    part = on_data.data(dossier)
    folds = [Fold("The dataset version", line(f"{dossier.record.dataset.name}@{dossier.record.dataset.id}"),
                  drawn(part.blocks))]  # fmt: skip
    if version is None or before is None:
        return Section("data", "Data", drawn(part.missing or [Words(_nothing_before(dossier))]), tuple(folds))
    number_, old = before
    told: list[Block] = [Words(f"Beside version {number_}, from the manifests of both:", note=True)]
    told += changes(old, version)
    if old.id != version.id:
        full: list[Block] = [Words("This reads the rows of both:"), command(dossier.model, old, version)]
        folds.append(Fold("Compare the rows themselves", "a command", drawn(full)))
    return Section("data", "Data", drawn(told), tuple(folds))


def _nothing_before(dossier: Dossier) -> str:
    if dossier.version == 1:
        return "It is the first version: there are no data before it to compare with."
    return f"The data of version {dossier.version - 1} can't be read, so nothing is compared."


def _tests(dossier: Dossier) -> Section:
    part, result = on_data.data_tests(dossier), dossier.validation
    if result is None or not result.expectations:
        return Section("tests", "Data tests", drawn(part.blocks))
    failed = result.failures
    said = f"not held: {some([line(one.name, 80) for one in failed], _NAMED)}" if failed else "all hold"
    facts, tables = _apart(part)
    heading = counted(len(result.expectations), "expectation or check", "expectations and checks")
    folds = [Fold(heading, said, drawn(tables))]
    if result.docs and dossier.record.validation:
        docs = Report("data-docs", result.docs, str(dossier.version), f"Data Docs of {dossier.name}")
        folds.append(Fold("Data Docs", "the whole result, with examples", reports=(docs,)))
    return Section("tests", "Data tests", drawn(facts), tuple(folds))


def _evaluation(dossier: Dossier) -> Section:
    found = dossier.record.evaluation
    blocks = [one for one in on_quality.performance(dossier).blocks if not isinstance(one, Pre)]
    tables = [one for one in blocks if isinstance(one, Table)]
    shown = [*(one for one in blocks if isinstance(one, Missing)), *blocks[:1], *tables]
    rest = [one for one in blocks if not any(one is other for other in shown)]
    folds = [
        Fold("Slices", f"{len(found.slices):,}", drawn(on_quality.slices(dossier).blocks)),
        Fold("Groups", counted(len(found.fairness), "column"), drawn(on_quality.fairness(dossier).blocks)),
        Fold("Ageing", line(found.ageing.reason, 100) if found.ageing else "not measured",
             drawn(on_quality.ageing(dossier).blocks)),
    ]  # fmt: skip
    if any(not isinstance(one, Words) or not one.note for one in rest):
        folds.append(Fold("Calibration, costs and importance", "", drawn(_without_pointer(rest))))
    if found.page is not None:
        page = Report("evaluation", found.page, str(dossier.version), f"Evaluation of {dossier.name}")
        folds.append(Fold("Evaluation report", "everything that was measured", reports=(page,)))
    return Section("evaluation", "Evaluation", drawn(_once(shown)), tuple(folds))


def _approvals(dossier: Dossier) -> Section:
    part = on_life.approvals(dossier)
    seen = [one for one in part.blocks if isinstance(one, Pre)]
    shown = [one for one in part.blocks if not isinstance(one, Pre) and not _points_at_text(one)]
    fold = (Fold("What they saw", "the text, as it was", drawn(seen)),) if seen else ()
    return Section("approvals", "Approvals", drawn(shown), fold)


def _traffic(dossier: Dossier, looks: tuple[Report, ...]) -> Section:
    facts, tables = _apart(on_life.deployments(dossier))
    folds = [Fold("Places and verdicts", f"{len(dossier.places):,}", drawn(tables))] if tables else []
    pictures = tuple(
        Report("picture", digest, "", f"{one.verdict.decision} in {one.verdict.stage}, {moment(one.at)}")
        for one in dossier.verdicts
        if one.verdict.picture and (digest := picture_digest(one.verdict.picture))
    )
    if pictures:
        shown = counted(len(pictures), "picture")
        folds.append(Fold("The evidence of each verdict", shown, reports=pictures))
    seen = counted(len(dossier.looks), "look")
    folds += [
        Fold("Monitoring", seen, drawn(on_life.monitoring(dossier).blocks), looks),
        Fold("Incidents", _incidents(dossier), drawn(on_life.incidents(dossier).blocks)),
    ]
    return Section("traffic", "In the traffic", drawn(facts), tuple(folds))


def _reproductions(dossier: Dossier) -> Section:
    blocks: list[Block] = list(on_life.reproduction(dossier).blocks)
    last = dossier.reproductions[-1] if dossier.reproductions else None
    different = _differences(last) if last is not None else []
    fold = (Fold("What differed", "in the last one", drawn(different)),) if different else ()
    return Section("reproductions", "Reproductions", drawn(blocks), fold)


def _making(dossier: Dossier) -> Section:
    training, hashes = on_training.training(dossier), on_lineage.lineage(dossier)
    erased = on_lineage.erasures(dossier)
    folds = (
        Fold("Training and environment", line(dossier.record.trained.framework, 80), drawn(training.blocks)),
        Fold("Hashes, source files and spec", f"record {dossier.record_sha256[:12]}", drawn(hashes.blocks)),
        Fold("Erasures", f"{len(dossier.erasures):,}", drawn(erased.blocks)),
    )
    record = dossier.record
    made: list[tuple[str, Cell]] = [
        ("registered", f"{moment(record.created_at)} by {line(record.created_by, 100)}"),
        ("run", Code(line(dossier.run)) if dossier.run else "outside of Airflow"),
        ("model file", Code(line(record.trained.artifact))),
    ]
    return Section("making", "How it was made", drawn([Facts(made)]), folds)


def _differences(one: Reproduction) -> list[Block]:
    blocks: list[Block] = []
    if one.environment:
        rows: list[tuple[Cell, ...]] = [
            (Code(line(each.name, 100)), line(each.recorded or "not there", 100), line(each.found or "not there", 100))
            for each in one.environment
        ]  # fmt: skip
        caption, shown = capped("Environment", rows)
        blocks.append(Table(caption, ("part", "recorded", "found"), shown))
    moved: list[tuple[Cell, ...]] = [
        (line(name, 80), number(value)) for name, value in one.metrics.items() if value
    ]
    if one.predictions:
        moved.append(("largest difference of a prediction", number(one.predictions)))
    if moved:
        caption, shown = capped(f"Differences; up to {one.tolerance:g} counts as equal", moved)
        blocks.append(Table(caption, ("metric", "difference"), shown, numbers=1))
    return blocks


def _incidents(dossier: Dossier) -> str:
    alerts = sum(one.alert.state != "resolved" for one in dossier.alerts)
    return f"{counted(alerts, 'alert')}, {counted(len(dossier.left), 'rollback')}"


def _apart(part: Part) -> tuple[list[Block], list[Block]]:
    """What is short, and the tables."""
    return (
        [one for one in part.blocks if not isinstance(one, Table)],
        [one for one in part.blocks if isinstance(one, Table)],
    )


def _once(blocks: Sequence[Block]) -> list[Block]:
    """The blocks in their order, none twice."""
    found: list[Block] = []
    for one in blocks:
        if not any(one is other for other in found):
            found.append(one)
    return found


def _without_pointer(blocks: Iterable[Block]) -> list[Block]:
    """Without the note that points at a command for the report, which the page shows itself."""
    return [one for one in blocks if not (isinstance(one, Words) and one.note)]


def _points_at_text(block: Block) -> bool:
    """Whether it is the line above the text that people saw."""
    return isinstance(block, Words) and block.note
