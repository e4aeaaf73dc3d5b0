"""What every benchmark shares: one table on the screen, one JSON file for machines.

A benchmark is a function from "quick?" to measures, and one line at its end::

    def measure(quick: bool) -> Iterator[Measure]:
        yield Measure("ours / theirs", seconds_ours / seconds_theirs, limit=0.5, better="lower")

    if __name__ == "__main__":
        raise SystemExit(report("what is compared with what", measure, sys.argv[1:]))
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Measure:
    """One measured number, if possible a ratio of two things measured in the same run.

    :param value: what was measured, in the unit that ``name`` or ``unit`` states.
    :param limit: what is to be reached; None for a number that is only shown.
    :param better: whether less or more is better, so whether ``limit`` is a ceiling or a floor.
    :param unit: printed behind the value.
    :param note: printed at the end of the line: repetitions, an interval, what a ratio is made of.
    """

    name: str
    value: float
    limit: float | None = None
    better: Literal["lower", "higher"] = "lower"
    unit: str = ""
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value reaches the limit; without one, only a value that is not a number fails.

        Infinity never reaches a limit, but it may be shown: "never" is an answer.
        """
        if self.limit is None:
            return not math.isnan(self.value)
        if not math.isfinite(self.value):
            return False
        return self.value <= self.limit if self.better == "lower" else self.value >= self.limit

    def as_json(self) -> dict[str, Any]:
        """The five fields of the JSON form; a value that is not a number is null."""
        return {
            "name": self.name,
            "value": self.value if math.isfinite(self.value) else None,
            "limit": self.limit,
            "better": self.better,
            "holds": self.holds,
        }


def share_interval(hits: int, runs: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, hits / runs
    middle = share + z * z / (2 * runs)
    spread = z * math.sqrt(share * (1 - share) / runs + (z / (2 * runs)) ** 2)
    scale = 1 + z * z / runs
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


Measuring = Callable[[bool], Iterable[Measure]]


def report(title: str, measures: Measuring, argv: Sequence[str]) -> int:
    """Run a benchmark, print each measure as soon as it is there, and write them as JSON if asked.

    :param measures: called with True for a quick run (under a minute), else False; may be a generator.
    :param argv: ``--quick``, ``--json FILE``, ``--check`` (a missed limit is a failure).
    :return: the exit code: 1 only with ``--check`` and a missed limit.
    """
    options = _parser(title).parse_args(argv)
    print(f"{title}{' (quick)' if options.quick else ''}\n")
    print(f"{'what':<60} {'value':>12} {'to reach':>12}  holds")
    start, done = time.perf_counter(), []
    for measure in measures(options.quick):
        done.append(measure)
        print(_line(measure), flush=True)
    print(f"\n{len(done)} measures in {time.perf_counter() - start:.0f} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps([one.as_json() for one in done], indent=1) + "\n", encoding="utf-8"
        )
    return int(options.check and not all(one.holds for one in done))


def _parser(title: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the measures as JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a limit is missed")
    return parser


def _line(measure: Measure) -> str:
    value = f"{measure.value:.4g}{measure.unit and ' ' + measure.unit}"
    limit = ""
    if measure.limit is not None:
        limit = f"{'<=' if measure.better == 'lower' else '>='} {measure.limit:.4g}"
    holds = "" if measure.limit is None else ("yes" if measure.holds else "NO")
    return f"{measure.name:<60} {value:>12} {limit:>12}  {holds:<5} {measure.note}".rstrip()
