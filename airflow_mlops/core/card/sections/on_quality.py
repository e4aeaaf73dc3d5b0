"""How well the model does: on held-out rows, in slices, between groups, and with time."""

from __future__ import annotations

from functools import partial

from airflow_mlops.core.card import pictures
from airflow_mlops.core.card.blocks import (
    Block,
    Cell,
    Code,
    Facts,
    Part,
    Pre,
    Table,
    Toned,
    Words,
    capped,
)
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.sections.written import absent
from airflow_mlops.core.evaluation import page_curves, page_rows
from airflow_mlops.core.evaluation.analysis import Fairness
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import HIGHER_IS_BETTER
from airflow_mlops.core.wording import count, day, line

_WORDS = {"pass": "passed", "fail": "failed", "inconclusive": "undecided"}


def performance(dossier: Dossier) -> Part:
    """Gates, metrics beside the champion's, calibration and costs."""
    found = dossier.record.evaluation
    blocks: list[Block] = [*absent("performance", dossier), Words(_held_out(found))]
    blocks += [_gates(found), _metrics(found)]
    if found.calibration is not None and found.calibration.bins:
        told = f"Calibration: predicted against observed; expected error {number(found.calibration.error)}."
        blocks.append(pictures.drawn(partial(page_curves.calibration, found.calibration), told))
    blocks += _costs(found)
    if found.importance is not None and found.importance.features:
        first = ", ".join(
            f"{line(one.feature, 60)} {number(one.contribution)}" for one in found.importance.features[:5]
        )
        blocks.append(Words(f"What moves its answers most: {first}."))
        caption = "Mean absolute SHAP contribution of each feature, in the margin of the model."
        blocks.append(pictures.drawn(partial(page_rows.importance, found.importance.features), caption))
    if found.page is not None:
        blocks += [
            Words("The whole report of the evaluation:", note=True),
            Pre(
                f"airflow-mlops version report {dossier.model} {dossier.version} --store STORE --out report.html"
            ),
        ]
    return Part("performance", "Performance", blocks)


def slices(dossier: Dossier) -> Part:
    """The metrics of each slice with intervals, and the weak slices that were found."""
    found = dossier.record.evaluation
    blocks = absent("slices", dossier)
    metric = pictures.slice_metric(found)
    if metric is not None and found.slices:
        caption = f"{metric} in each slice with its 95 % interval where that can be given; {_better(metric)} is better."
        blocks += [
            pictures.drawn(partial(pictures.slices, found, metric), caption),
            _slice_table(found, metric),
        ]
    search = found.search
    if search is not None:
        blocks.append(Words(line(f"Search for weak slices: {search.reason}.")))
        if search.slices:
            rows: list[tuple[Cell, ...]] = [
                (
                    line(one.slice, 120),
                    count(one.rows),
                    number(one.loss),
                    number(one.elsewhere),
                    number(one.low),
                )
                for one in search.slices
            ]
            head = ("weak slice", "rows", "loss", "elsewhere", "at least worse by")
            caption, rows_shown = capped("Weak slices, the worst first", rows)
            blocks.append(Table(caption, head, rows_shown, numbers=4))
    return Part("slices", "Slices", blocks)


def fairness(dossier: Dossier) -> Part:
    """How far apart groups are."""
    blocks = absent("fairness", dossier)
    for one in dossier.record.evaluation.fairness:
        blocks += _groups(one)
    return Part("fairness", "Fairness", blocks)


def ageing(dossier: Dossier) -> Part:
    """How the model gets worse with time."""
    blocks = absent("ageing", dossier)
    found = dossier.record.evaluation.ageing
    if found is not None and found.points:
        interval = (
            "none within the data" if found.interval_days is None else f"{found.interval_days:.0f} days"
        )
        pairs: list[tuple[str, Cell]] = [
            ("finding", line(found.reason)),
            ("train again after", interval),
            ("tolerance", f"{found.tolerance:.1%} worse than a fresh model"),
        ]
        rows: list[tuple[Cell, ...]] = [
            (
                f"{day(one.start)} to {day(one.end)}",
                number(one.value),
                f"{number(one.low)} to {number(one.high)}",
                number(one.fresh),
            )
            for one in found.points
        ]
        caption, shown = capped("Periods after the training", rows)
        head = ("period", found.metric, "95 % interval", "fresh model")
        picture = pictures.drawn(
            partial(page_curves.ageing, found), f"{line(found.metric, 40)} in each period after the training."
        )
        blocks += [Facts(pairs), picture, Table(caption, head, shown, numbers=3)]
    return Part("ageing", "Ageing", blocks)


def interval(found: Evaluation, metric: str) -> str:
    """The 95 % interval of a metric on all rows, empty where none is known."""
    known = found.intervals.get(metric)
    return f"{number(known[0])} to {number(known[1])}" if known else ""


def _held_out(found: Evaluation) -> str:
    against = "there was no champion to compare with"
    if found.champion_version is not None:
        against = f"beside version {found.champion_version}, the champion then, on the same rows"
    return f"Measured on {found.rows:,} held-out rows, the newest ones; {against}."


def _gates(found: Evaluation) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            line(one.gate.name, 120),
            Toned(_WORDS[one.outcome], one.outcome),
            one.gate.limit_text,
            line(one.reason, 300),
        )
        for one in found.gates
    ]
    caption, shown = capped("Gates that it had to pass before it was registered", rows)
    return Table(caption, ("gate", "outcome", "limit", "why"), shown)


def _metrics(found: Evaluation) -> Table:
    rival = found.champion or {}
    rows: list[tuple[Cell, ...]] = [
        (line(name, 80), _better(name), number(value), interval(found, name), number(rival.get(name)))
        for name, value in found.metrics.items()
    ]
    caption, shown = capped("Metrics of all held-out rows", rows)
    return Table(caption, ("metric", "better is", "value", "95 % interval", "champion"), shown, numbers=3)


def _costs(found: Evaluation) -> list[Block]:
    one = found.costs
    if one is None:
        return []
    unit = f" {one.currency}" if one.currency else ""
    told = (
        f"Mean cost of an answer {number(one.cost)}{unit} from the threshold {number(one.threshold)}; "
        f"yes to all {number(one.yes_to_all)}, no to all {number(one.no_to_all)}."
    )
    return [Words(line(told))]


def _slice_table(found: Evaluation, metric: str) -> Table:
    others = [name for name in found.metrics if name != metric][:2]
    rows: list[tuple[Cell, ...]] = []
    for one in found.slices:
        known = one.intervals.get(metric)
        between = f"{number(known[0])} to {number(known[1])}" if known else ""
        rival = number((one.champion or {}).get(metric))
        rest = [number(one.metrics.get(name)) for name in others]
        rows.append(
            (line(one.slice, 120), count(one.rows), number(one.metrics.get(metric)), between, rival, *rest)
        )
    caption, shown = capped("Slices", rows)
    head = ("slice", "rows", metric, "95 % interval", "champion", *others)
    return Table(caption, head, shown, numbers=len(head) - 1)


def _groups(one: Fairness) -> list[Block]:
    apart = (
        f"{one.column}: demographic parity difference {number(one.demographic_parity_difference)}, equalized odds "
        f"difference {number(one.equalized_odds_difference)}; {one.left_out:,} rows of small groups are left out."
    )
    blocks: list[Block] = [Words(line(apart))]
    if not one.groups:
        return blocks
    rows: list[tuple[Cell, ...]] = [
        (
            line(group.group, 80), count(group.rows), number(group.selection_rate), number(group.true_positive_rate),
            number(group.false_positive_rate),
        )
        for group in one.groups
    ]  # fmt: skip
    caption, shown = capped(f"Groups of {line(one.column, 80)}", rows)
    head = (Code(one.column).text, "rows", "answered yes", "yes among positives", "yes among negatives")
    picture = pictures.drawn(
        partial(page_rows.groups, one), "How often each group is answered yes, and how often rightly."
    )
    return [*blocks, picture, Table(caption, head, shown, numbers=4)]


def _better(metric: str) -> str:
    return "higher" if metric in HIGHER_IS_BETTER else "lower"
