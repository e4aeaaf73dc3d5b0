"""The rollout judge: how soon it stops a bad model and how seldom a good one, looking after every request.

Four parts. *Bound*: the challenger's requests until it is stopped, over the information bound: log(1/alpha) / KL, where
KL is the divergence, per challenger request, of the truth from the nearest pair of rates that the gate allows,
min over q of KL(p1 | q + margin) + (1 - share) / share KL(p0 | q). As alpha goes to 0 no valid test stops sooner on
average; a median may lie below it. *Errors*: how often a good model is stopped and a bad one passed. *Rivals*: others'
rules on the same streams. *Shadow, flights, speed*.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import flights
import numpy as np
from contender import CONTENDERS
from reporting import Measure, report, share_interval
from rivalry import Cell, matrix, play
from rivals import RIVALS
from streams import CHANGES, shadow_pairs

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout import betting, randomized
from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.scales import scale_of
from airflow_mlops.core.rollout.state import GateState
from airflow_mlops.core.rollout.table import Table

SEED = 20130101
ALPHA = 0.05
ENOUGH = -math.log(ALPHA)
#: Scenarios in which requests depend on each other through their keys.
WITH_KEYS = ("200 keys", "2,000 keys", "sessions of 20 minutes")
Rates = Callable[[np.random.Generator, int], Floats]


def measure(quick: bool) -> Iterator[Measure]:
    runs = 200 if quick else 2000
    yield from stops_of_bad_models(runs)
    yield from stops_at_the_margin(runs, requests=6_000 if quick else 20_000)
    yield from passes_of_bad_models(runs, requests=6_000 if quick else 20_000)
    yield from shadow_labels(100 if quick else 400)
    yield from speed(1_000_000)
    yield from real_flights(3 if quick else 20)
    yield from against_rivals(40 if quick else runs)


def stops_of_bad_models(runs: int) -> Iterator[Measure]:
    """Median number of the challenger's requests until it is stopped, over the information bound."""
    cases = [
        (0.02, 0.01, 0.0, 0.1),
        (0.03, 0.01, 0.0, 0.1),
        (0.03, 0.01, 0.005, 0.1),
        (0.03, 0.01, 0.0, 0.5),
        (0.10, 0.01, 0.0, 0.1),
        (0.10, 0.01, 0.0, 0.5),
    ]
    for bad, good, margin, share in cases:
        rng = np.random.default_rng(SEED)
        bound = information_bound(bad, good, margin, share)
        length = int(8 * bound / share) + 500
        stops = np.array([_stop(rng, length, bad, good, margin, share) for _ in range(runs)])
        median, slow = np.median(stops), np.quantile(stops, 0.9, method="higher")
        yield Measure(
            f"stop at {good:.0%} -> {bad:.0%}, / bound (margin {margin:g}, share {share:g})",
            float(median / bound),
            1.5,
            note=f"median {median:.0f}, 90 % by {slow:.0f}, bound {bound:.0f}; {runs} runs",
        )


def stops_at_the_margin(runs: int, requests: int) -> Iterator[Measure]:
    """Share of runs in which a challenger exactly as bad as allowed is ever stopped: the hardest good model."""
    for name, rates in SHOCKS.items():
        rng = np.random.default_rng(SEED)
        hits = sum(_crosses(rng, rates(rng, requests), above=True) for _ in range(runs))
        yield _share(f"good model stopped (margin 0.01): {name}", hits, runs, requests)


def passes_of_bad_models(runs: int, requests: int) -> Iterator[Measure]:
    """Share of runs in which a challenger worse by exactly the margin ever passes: the hardest bad model."""
    for name, rates in SHOCKS.items():
        rng = np.random.default_rng(SEED)
        hits = sum(_crosses(rng, rates(rng, requests), above=False) for _ in range(runs))
        yield _share(f"bad model passed (margin 0.01): {name}", hits, runs, requests)


def shadow_labels(runs: int) -> Iterator[Measure]:
    """Labels until an equal challenger passes a margin of one point: pairs of a shadow, and a canary of one half.

    The paired capital is tempered by the design effect that the judge finds in the stream.
    """
    rng = np.random.default_rng(SEED)
    margin, most = 0.01, 60_000
    paired, alone = [], []
    for _ in range(runs):
        pairs = shadow_pairs(rng, most // 2, error=0.10, disagreement=0.05)
        state = GateState(
            Gate(metric="accuracy", margin=margin),
            scale_of(Gate(metric="accuracy", margin=margin), "binary"),
            paired=True,
        )
        path = betting.log_path(-(pairs.challenger - pairs.champion), -margin, low=-1.0)
        paired.append(_tempered(path, pairs.challenger - pairs.champion, pairs.key, pairs.at, state))
        arm = rng.random(4 * most) < 0.5
        wrong = (rng.random(4 * most) < 0.10).astype(np.float64)
        hits = np.flatnonzero(randomized.log_path(wrong, arm, margin, 0.5, above=False) >= ENOUGH)
        alone.append(hits[0] + 1 if len(hits) else math.inf)
    shadow, canary = float(np.median(paired)), float(np.median(alone))
    yield Measure(
        "labels of a shadow / of a canary, 5 % disagreement",
        shadow / canary,
        1 / 3,
        note=f"median {shadow:,.0f} labelled pairs against {canary:,.0f} labelled requests; {runs} runs",
    )


def _tempered(path: Floats, change: Floats, key: np.ndarray, at: Floats, state: GateState) -> float:
    """Pairs until the tempered capital passes, looking every hundred pairs."""
    from airflow_mlops.core.rollout.clusters import bucket_of

    buckets = bucket_of(key)
    for end in range(100, len(path) + 1, 100):
        part = slice(end - 100, end)
        state.keys.add(change[part], buckets[part])
        if state.moments is not None:
            state.moments.add(change[part], at[part])
        if path[end - 1] / state.design_effect >= ENOUGH:
            return float(end)
    return math.inf


def speed(requests: int) -> Iterator[Measure]:
    """Processor seconds for folding captured requests, as columns, into the states of three gates, and judging them."""
    rng = np.random.default_rng(SEED)
    at = np.arange(requests) * 0.01
    table = Table(
        mine=rng.random(requests) < 0.1,
        failed=rng.random(requests) < 0.01,
        refused=np.zeros(requests, dtype=bool),
        latency=rng.exponential(20.0, requests),
        key=rng.integers(0, 2**63, requests).astype(np.uint64),
        prediction=rng.random(requests),
        label=(rng.random(requests) < 0.5).astype(np.float64),
        at=at,
        elapsed=at,
        known=at,
    )
    gates = (
        Gate(metric="error_rate", margin=0.01),
        Gate(metric="latency", threshold=50, margin=0.02),
        Gate(metric="brier", margin=0.01),
    )
    states = [GateState(gate, scale_of(gate, "binary"), paired=False, share=0.1) for gate in gates]
    start = time.process_time()
    for state in states:
        state.fold(table)
        state.find(ALPHA / 3, ALPHA)
    yield Measure(
        f"{len(gates)} gates over {requests:,} captured requests", time.process_time() - start, 1.0, unit="s"
    )


def real_flights(seeds: int) -> Iterator[Measure]:
    """The demo's releases on real flights: the good model is promoted, the bad one stopped, in every order."""
    for shuffled, order in ((True, "shuffled"), (False, "in the order of departure")):
        for name, month, wanted in (("january-august", 9, "PROMOTE"), ("leaky", 10, "ROLLBACK")):
            ends = Counter(
                flights.release(name, month=month, seed=seed, shuffled=shuffled)[-1].decision
                for seed in range(seeds)
            )
            yield Measure(
                f"flights {order}: {name} ends in {wanted}",
                ends[wanted] / seeds,
                1.0,
                "higher",
                note=f"{seeds} seeds: {', '.join(f'{number} {end}' for end, number in ends.items())}",
            )


def against_rivals(runs: int) -> Iterator[Measure]:
    """Ours and the rivals on the same streams; then, for each change, the fastest rival that holds alpha, over ours.

    The rivals miss alpha by far or not at all, so a fifth of the runs is enough for them.
    """
    cells = []
    for deciders, count in ((CONTENDERS, runs), (RIVALS, max(runs // 5, 40))):
        for cell in play(count, deciders):
            cells.append(cell)
            one = cell.measure()
            ours = cell.decider in CONTENDERS and not cell.changed
            yield Measure(one.name, one.value, ALPHA if ours else None, note=one.note)
    print("\n" + "\n\n".join(matrix(cells, changed) for changed in (False, True)) + "\n")
    yield from fastest(cells)


def fastest(cells: list[Cell]) -> Iterator[Measure]:
    """The requests of the fastest valid rival over those of the best of ours.

    To have somebody to compare with, a rival counts as valid if it holds alpha wherever requests are independent; none
    of those that stop anything in time does where keys send many requests.
    """
    lowest: dict[str, float] = {}
    for cell in cells:
        if not cell.changed and cell.scenario.name not in WITH_KEYS:
            low, _ = share_interval(cell.stopped, len(cell.exposed))
            lowest[cell.decider] = max(lowest.get(cell.decider, 0.0), low)
    valid = [name for name, low in lowest.items() if low <= ALPHA and name in RIVALS]
    for name in CHANGES:
        medians: Mapping[str, float] = {one.decider: one.median for one in cells if one.scenario.name == name}
        needed, rival = min((medians[one], one) for one in valid)
        ours = min(medians[one] for one in CONTENDERS)
        note = f"{rival} {needed:,.0f}, ours {ours:,.0f}"
        yield Measure(f"fastest valid rival / ours: {name}", needed / ours, 1.0, "higher", note=note)


def information_bound(bad: float, good: float, margin: float, share: float) -> float:
    """Challenger requests that any test needs at least, on average (see the top of this file)."""
    allowed = np.linspace(1e-6, 1 - 1e-6 - margin, 200_001)
    information = _kl(bad, allowed + margin) + (1 - share) / share * _kl(good, allowed)
    return float(math.log(1 / ALPHA) / information.min())


def _kl(p: float, q: Floats) -> Floats:
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def _stop(
    rng: np.random.Generator, length: int, bad: float, good: float, margin: float, share: float
) -> float:
    """The challenger's requests until it is stopped, infinite if it never is."""
    arm = rng.random(length) < share
    y = (rng.random(length) < np.where(arm, bad, good)).astype(np.float64)
    hits = np.flatnonzero(randomized.log_path(y, arm, margin, share) >= ENOUGH)
    return float(arm[: hits[0] + 1].sum()) if len(hits) else math.inf


def _crosses(rng: np.random.Generator, rates: Floats, *, above: bool) -> bool:
    """Whether a challenger that is worse by exactly 0.01 is ever stopped (above), or ever passes."""
    arm = rng.random(len(rates)) < 0.1
    y = (rng.random(len(rates)) < rates + 0.01 * arm).astype(np.float64)
    return bool(randomized.log_path(y, arm, 0.01, 0.1, above=above).max() >= ENOUGH)


def _share(name: str, hits: int, runs: int, requests: int) -> Measure:
    low, high = share_interval(hits, runs)
    note = f"95 % interval {low:.3f}-{high:.3f}; {runs} runs of {requests} requests"
    return Measure(name, hits / runs, ALPHA, note=note)


def _shocks(rng: np.random.Generator, size: int, every: int) -> Floats:
    """Rates about 2 % whose log moves as an AR(1) process with phi 0.8 and standard deviation 1."""
    steps = -(-size // every)
    noise = rng.normal(0, 0.6, steps)
    state, levels = rng.normal(), np.empty(steps)
    for step in range(steps):
        state = 0.8 * state + noise[step]
        levels[step] = state
    return np.minimum(0.02 * np.exp(np.repeat(levels, every)[:size]), 0.9)


def _outages(rng: np.random.Generator, size: int) -> Floats:
    """1 % errors, and about once in 500 requests an outage of 25 requests of which half fail."""
    starts = np.flatnonzero(rng.random(size) < 1 / 500)
    rates = np.full(size, 0.01)
    for start in starts:
        rates[start : start + 25] = 0.5
    return rates


SHOCKS: dict[str, Rates] = {
    "steady 2 %": lambda _, n: np.full(n, 0.02),
    "AR(1) 0.8 per 50 requests": lambda rng, n: _shocks(rng, n, 50),
    "AR(1) 0.8 per request": lambda rng, n: _shocks(rng, n, 1),
    "outages of 25 requests": _outages,
    "drift 0.5 % to 10 %": lambda _, n: np.linspace(0.005, 0.10, n),
}


if __name__ == "__main__":
    title = f"Rollout judge at alpha {ALPHA}, looked at after every request (seed {SEED})"
    raise SystemExit(report(title, measure, sys.argv[1:]))
