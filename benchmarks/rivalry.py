"""The rivals of the rollout judge on the same streams: how often they stop a good model, how late a bad one.

A judge is one more decider: ``rival_table(runs, quick, {"ours": judge, **RIVALS})``. It has to be a function of a
module (or a ``functools.partial`` of one), because the runs are shared out to processes. Run n of a scenario is the
same stream for every decider, in every table with the same seed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from reporting import Measure, report, share_interval
from rivals import RIVALS, Decider, Plan, first_stop
from streams import CHANGES, NO_CHANGE, Floats, Scenario

SEED = 20130101
#: A median needs fewer runs than a small share.
_RUNS_PER_MEDIAN = 4
_CHUNK = 20


@dataclass(frozen=True)
class Cell:
    """One decider in one scenario.

    :param requests: requests until the stop, by run; infinite where it never stopped.
    :param exposed: those of them that the challenger answered.
    """

    decider: str
    scenario: Scenario
    requests: Floats
    exposed: Floats

    @property
    def stopped(self) -> int:
        """In how many runs the challenger was stopped."""
        return int(np.isfinite(self.exposed).sum())

    @property
    def changed(self) -> bool:
        """Whether the challenger is worse, so that to stop it is right."""
        return self.scenario.name in CHANGES

    @property
    def median(self) -> float:
        """The challenger's requests until the stop; infinite if fewer than half of the runs were stopped."""
        return float(np.quantile(self.exposed, 0.5, method="higher"))

    def measure(self) -> Measure:
        """The line of the table."""
        runs = len(self.exposed)
        low, high = share_interval(self.stopped, runs)
        if not self.changed:
            note = f"95 % interval {low:.3f}-{high:.3f}; {runs} runs of {self.scenario.requests:,} requests"
            return Measure(
                f"{self.decider}: false stops, {self.scenario.name}", self.stopped / runs, note=note
            )
        most = np.quantile(self.exposed, 0.9, method="higher")
        total = np.quantile(self.requests, 0.5, method="higher")
        note = (
            f"stopped in {self.stopped / runs:.0%}, 90 % by {most:.0f}; of {total:,.0f} in all; {runs} runs"
        )
        return Measure(f"{self.decider}: requests, {self.scenario.name}", self.median, note=note)


def rival_table(runs: int, quick: bool, deciders: Mapping[str, Decider] = RIVALS) -> Iterator[Measure]:
    """False stops and the challenger's requests until a stop, of every decider in every scenario.

    :param runs: runs per scenario without a change; a quarter of them with one.
    :param quick: at most 60 runs, whatever ``runs`` says.
    """
    cells = []
    for cell in play(min(runs, 60) if quick else runs, deciders):
        cells.append(cell)
        yield cell.measure()
    print("\n" + "\n\n".join(matrix(cells, changed) for changed in (False, True)) + "\n")


def play(
    runs: int,
    deciders: Mapping[str, Decider] = RIVALS,
    scenarios: Sequence[Scenario] = (*NO_CHANGE.values(), *CHANGES.values()),
    seed: int = SEED,
) -> Iterator[Cell]:
    """Every decider over the same runs, scenario by scenario."""
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for scenario in scenarios:
            count = max(runs // _RUNS_PER_MEDIAN, 20) if scenario.name in CHANGES else runs
            starts = range(0, count, _CHUNK)
            chunks = pool.map(
                _play_some,
                [scenario] * len(starts),
                [dict(deciders)] * len(starts),
                [seed] * len(starts),
                [range(start, min(start + _CHUNK, count)) for start in starts],
            )
            stops = np.concatenate(list(chunks), axis=0)
            for place, name in enumerate(deciders):
                yield Cell(name, scenario, stops[:, place, 0], stops[:, place, 1])


def matrix(cells: Sequence[Cell], changed: bool) -> str:
    """A Markdown table of deciders by scenarios: shares of false stops, or median requests until the stop."""
    chosen = [cell for cell in cells if cell.changed == changed]
    scenarios = list(dict.fromkeys(cell.scenario.name for cell in chosen))
    values = {(cell.decider, cell.scenario.name): _shown(cell) for cell in chosen}
    head = "challenger's requests until stopped" if changed else "good model stopped"
    lines = [f"| {head} | {' | '.join(scenarios)} |", "|---" + "|---:" * len(scenarios) + "|"]
    for decider in dict.fromkeys(cell.decider for cell in chosen):
        lines.append(f"| {decider} | {' | '.join(values[decider, one] for one in scenarios)} |")
    return "\n".join(lines)


def _shown(cell: Cell) -> str:
    share = cell.stopped / len(cell.exposed)
    if not cell.changed:
        return f"{share:.1%}".replace("%", " %")
    return f"{cell.median:,.0f}" if np.isfinite(cell.median) else f"never ({share:.0%})".replace("%", " %")


def _play_some(scenario: Scenario, deciders: Mapping[str, Decider], seed: int, runs: range) -> Floats:
    """Runs x deciders x (requests, exposed)."""
    plan = Plan.of(scenario)
    stops = np.empty((len(runs), len(deciders), 2))
    for row, run in enumerate(runs):
        stream = scenario.stream(seed, run)
        for place, decider in enumerate(deciders.values()):
            stop = first_stop(decider, stream, plan)
            stops[row, place] = stop.requests, stop.exposed
    return stops


if __name__ == "__main__":
    raise SystemExit(report(f"Rivals (seed {SEED})", lambda quick: rival_table(2000, quick), sys.argv[1:]))
