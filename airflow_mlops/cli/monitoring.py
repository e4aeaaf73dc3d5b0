"""``airflow-mlops monitoring``: what the looks at a model found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.cli.writing import write_file
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.wording import minute, period, size, some

if TYPE_CHECKING:
    from airflow_mlops.core.monitoring.look import Look
    from airflow_mlops.core.store import Log, Store

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_MOST_COLUMNS = 3


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("monitoring", help="read what the looks at a model found")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    looks = commands.add_parser(
        "looks",
        help="list the looks at a model",
        description="One line for each look: period, champion, drift, log loss or rmse, and what was decided.",
    )
    looks.add_argument("model", metavar="MODEL", help="the model's name")
    add_store(looks)
    looks.add_argument("--last", type=int, default=20, metavar="N", help="the newest so many (default: 20)")
    looks.set_defaults(func=run_looks)
    report = commands.add_parser(
        "report",
        help="write a look's page as one HTML file",
        description="Write the page about performance, or Evidently's about drift, as one HTML file that needs nothing "
        "else.",
    )
    report.add_argument("model", metavar="MODEL", help="the model's name")
    report.add_argument("--look", type=int, metavar="N", help="number of the look; the newest without it")
    report.add_argument("--drift", action="store_true", help="Evidently's page, made when drift was found")
    add_store(report)
    report.add_argument(
        "--out", required=True, metavar="FILE", type=Path, help="file to write, e.g. look.html"
    )
    report.set_defaults(func=run_report)


def run_looks(arguments: argparse.Namespace) -> int:
    """List the looks, oldest first. :raises MlopsError: if the store can't be read, or there was none."""
    _, log = _open(arguments)
    last = _last(log, arguments.model)
    for number, look in log.entries(max(0, last - max(1, arguments.last))):
        print(f"{number:>5}  {_line(look)}")
    return 0


def run_report(arguments: argparse.Namespace) -> int:
    """Write the page of a look. :raises MlopsError: if there is no such look, or it has no such page."""
    from airflow_mlops.core.monitoring.performance.report import PerformanceReport
    from airflow_mlops.core.monitoring.report import DriftReport
    from airflow_mlops.core.store.blobs import get_bytes
    from airflow_mlops.core.store.results import recall

    store, log = _open(arguments)
    last = _last(log, arguments.model)
    number = arguments.look or last
    if not 1 <= number <= last:
        raise RegistryError(f"{arguments.model} has no look {number}", expected=f"1 to {last}")
    look = log.read(number)
    if arguments.drift:
        page, kind = recall(store, look.drift, DriftReport).report_html, "drift"
    else:
        report = recall(store, look.performance, PerformanceReport) if look.performance else None
        page, kind = report.page if report else None, "performance"
    if page is None:
        raise RegistryError(
            f"look {number} at {arguments.model} has no page about {kind}",
            given=f"{look.outcome}; {look.decision.said}",
            remedy="Evidently's page is made when drift was found" if arguments.drift else None,
        )
    data = get_bytes(store, page)
    write_file(data, arguments.out)
    print(f"{arguments.out}: {kind} of {arguments.model} until {minute(look.until)}, {size(len(data))}")
    return 0


def _open(arguments: argparse.Namespace) -> tuple[Store, Log[Look]]:
    from airflow_mlops.core.monitoring.look import monitoring_log
    from airflow_mlops.core.store import open_store

    store = open_store(arguments.store)
    return store, monitoring_log(store, arguments.model)


def _last(log: Log[Look], model: str) -> int:
    last = log.last_number()
    if not last:
        raise RegistryError(f"nobody has looked at {model} yet", remedy=f"trigger {model}.monitor")
    return last


def _line(look: Look) -> str:
    drift: str = look.outcome
    if look.columns:
        drift = f"drift in {some(look.columns, _MOST_COLUMNS)} ({look.share:.0%} of the importance)"
    metric = next((name for name in ("log_loss", "rmse") if name in look.metrics), None)
    measured = (
        f"{metric} {look.metrics[metric]:.4f} {look.judged_on or ''}".rstrip() if metric else "no metrics"
    )
    champion = f"v{look.champion}" if look.champion else "no champion"
    return f"{period(look.since, look.until)}  {champion}  {drift}; {measured}; {look.decision.said}"
