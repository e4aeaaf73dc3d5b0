"""The rollout judge: how soon it stops a bad model and how seldom a good one, looking after every request.

The tests are those of the judge (`core/rollout`), on simulated traffic; the challenger gets a tenth of it unless
stated otherwise. The information bound is log(1/alpha) / KL requests of the challenger: KL is the divergence, per
challenger request, of the truth from the nearest pair of rates that the gate allows,
min over q of KL(p1 | q + margin) + (1 - share) / share KL(p0 | q).
As alpha goes to 0 no valid test stops sooner on average; a median may lie below it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import numpy as np
from reporting import Measure, report

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.judge import judge
from airflow_mlops.core.rollout.sequential import first_failure
from airflow_mlops.core.rollout.twosample import Comparison, Flags, block_length, matched, paired
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.spec import Rollout, Shadow

SEED = 20130101
ALPHA = 0.05
Rates = Callable[[np.random.Generator, int], Floats]


def measure(quick: bool) -> Iterator[Measure]:
    runs = 300 if quick else 2000
    yield from stops_of_bad_models(runs)
    yield from stops_of_good_models(runs, requests=6_000 if quick else 20_000)
    yield from passes_of_bad_models(runs, requests=6_000 if quick else 20_000)
    yield speed(50_000 if quick else 1_000_000)


def stops_of_bad_models(runs: int) -> Iterator[Measure]:
    """Median number of the challenger's requests until it is stopped, over the information bound."""
    cases = [
        (0.03, 0.01, 0.0, 0.1, 1.5),
        (0.03, 0.01, 0.005, 0.1, 1.5),
        (0.03, 0.01, 0.0, 0.5, 1.5),
        (0.02, 0.01, 0.0, 0.1, None),
        (0.10, 0.01, 0.0, 0.1, None),
    ]
    for bad, good, margin, share, limit in cases:
        rng = np.random.default_rng(SEED)
        bound = information_bound(bad, good, margin, share)
        length = int(12 * bound / share)
        stops = np.array(
            [_stop(rng, np.full(length, good), bad - good, margin, share) for _ in range(runs)],
            dtype=np.float64,
        )
        median, slow = np.median(stops), np.quantile(stops, 0.9, method="higher")
        yield Measure(
            f"stop at {good:.0%} -> {bad:.0%}, / bound (margin {margin:g}, share {share:g})",
            float(median / bound),
            limit,
            note=f"median {median:.0f}, 90 % by {slow:.0f}, bound {bound:.0f}; {runs} runs",
        )


def stops_of_good_models(runs: int, requests: int) -> Iterator[Measure]:
    """Share of runs in which a challenger exactly as bad as allowed is ever stopped: the hardest good model."""
    shocks: list[tuple[str, Rates]] = [
        ("steady 2 %", lambda _, n: np.full(n, 0.02)),
        ("AR(1) 0.8 per 50 requests", lambda rng, n: _shocks(rng, n, 50)),
        ("AR(1) 0.8 per request", lambda rng, n: _shocks(rng, n, 1)),
        ("outages of 25 requests", _outages),
        ("drift 0.5 % to 10 %", lambda _, n: np.linspace(0.005, 0.10, n)),
    ]
    for margin in (0.0, 0.01):
        for name, rates in shocks:
            rng = np.random.default_rng(SEED)
            hits = sum(_stop(rng, rates(rng, requests), margin, margin, 0.1) < math.inf for _ in range(runs))
            low, high = _interval(hits, runs)
            yield Measure(
                f"good model stopped (margin {margin:g}): {name}",
                hits / runs,
                ALPHA,
                note=f"95 % interval {low:.3f}-{high:.3f}; {runs} runs of {requests} requests",
            )
    rng = np.random.default_rng(SEED)
    hits = sum(_paired_stop(rng, requests // 4) for _ in range(runs))
    yield Measure(
        "good model stopped (margin 0): paired losses in shadow", hits / runs, ALPHA, note=f"{runs} runs"
    )


def passes_of_bad_models(runs: int, requests: int) -> Iterator[Measure]:
    """Share of runs in which a challenger worse by exactly the margin ever passes: the hardest bad model."""
    shocks: list[tuple[str, Rates]] = [
        ("steady 2 %", lambda _, n: np.full(n, 0.02)),
        ("AR(1) 0.8 per 50 requests", lambda rng, n: _shocks(rng, n, 50)),
    ]
    for name, rates in shocks:
        rng = np.random.default_rng(SEED)
        hits = sum(_passes(rng, rates(rng, requests), 0.01, 0.1) for _ in range(runs))
        low, high = _interval(hits, runs)
        yield Measure(
            f"bad model passed (margin 0.01): {name}",
            hits / runs,
            ALPHA,
            note=f"95 % interval {low:.3f}-{high:.3f}; {runs} runs of {requests} requests",
        )


def speed(requests: int) -> Measure:
    """Seconds for one verdict over paired captures with labels and three gates."""
    gates = (
        Gate(metric="error_rate", margin=0.01),
        Gate(metric="latency", threshold=50, margin=0.02),
        Gate(metric="brier", margin=0.01),
    )
    started = datetime(2013, 7, 1, tzinfo=timezone.utc)
    captures, labels = _traffic(requests // 2, started)
    start = time.process_time()
    judge(
        "shadow",
        Rollout(shadow=Shadow(gates=gates)),
        "binary",
        captures,
        labels,
        champion=1,
        challenger=2,
        started=started,
        now=started + timedelta(days=1),
    )
    seconds = time.process_time() - start
    return Measure(f"verdict over {requests:,} captures and {len(labels):,} labels", seconds, unit="s")


def information_bound(bad: float, good: float, margin: float, share: float) -> float:
    """Challenger requests that any test needs at least, on average (see the top of this file)."""
    allowed = np.linspace(1e-6, 1 - 1e-6 - margin, 200_001)
    information = _kl(bad, allowed + margin) + (1 - share) / share * _kl(good, allowed)
    return float(math.log(1 / ALPHA) / information.min())


def _kl(p: float, q: Floats) -> Floats:
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def _canary(rng: np.random.Generator, rates: Floats, worse: float, share: float) -> tuple[Comparison, Flags]:
    """Simulated traffic, compared as the judge does; and which requests the challenger got."""
    size = len(rates)
    challenger: Flags = rng.random(size) < share
    errors = (rng.random(size) < rates + worse * challenger).astype(np.float64)
    shuffle = rng.integers(0, 2**63, size, dtype=np.uint64)
    return matched(errors, challenger, shuffle, block_length(share)), challenger


def _stop(rng: np.random.Generator, rates: Floats, worse: float, margin: float, share: float) -> float:
    """The challenger's requests until it is stopped, infinite if it never is."""
    compared, challenger = _canary(rng, rates, worse, share)
    at = first_failure((compared.difference + 1) / 2, (margin + 1) / 2, compared.stops, ALPHA)
    if at is None:
        return math.inf
    block = block_length(share)
    whole = challenger[: len(rates) // block * block].reshape(-1, block)
    mixed = np.flatnonzero(whole.any(axis=1) & ~whole.all(axis=1))
    return float(whole[: mixed[np.searchsorted(compared.stops, at)] + 1].sum())


def _passes(rng: np.random.Generator, rates: Floats, margin: float, share: float) -> bool:
    """Whether a challenger that is worse by ``margin`` passes at any look."""
    compared, _ = _canary(rng, rates, margin, share)
    return first_failure((1 - compared.difference) / 2, (1 - margin) / 2, compared.stops, ALPHA) is not None


def _paired_stop(rng: np.random.Generator, pairs: int) -> bool:
    """Two models of equal quality that disagree; looked at after every pair."""
    truth = rng.random(pairs)
    labels = rng.random(pairs) < truth
    one, other = (np.clip(truth + rng.normal(0, 0.1, pairs), 0, 1) for _ in range(2))
    compared = paired((one - labels) ** 2, (other - labels) ** 2)
    return first_failure((compared.difference + 1) / 2, 0.5, compared.stops, ALPHA) is not None


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


def _interval(hits: int, runs: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, hits / runs
    middle, spread = (
        share + z * z / (2 * runs),
        z * math.sqrt(share * (1 - share) / runs + (z / (2 * runs)) ** 2),
    )
    return max(0.0, (middle - spread) / (1 + z * z / runs)), (middle + spread) / (1 + z * z / runs)


def _traffic(pairs: int, started: datetime) -> tuple[list[CaptureRecord], list[GroundTruth]]:
    rng = np.random.default_rng(SEED)
    truth, latency = rng.random(pairs), rng.exponential(20.0, (2, pairs))
    labels = (rng.random(pairs) < truth).astype(float)
    failed = rng.random((2, pairs)) < 0.01
    captures = []
    for i in range(pairs):
        at = started + timedelta(milliseconds=20 * i)
        for arm, (variant, role) in enumerate((("v1", "champion"), ("v2", "shadow"))):
            captures.append(
                CaptureRecord.model_construct(
                    event_id=f"{variant}-{i}",
                    inference_id=f"request-{i}",
                    variant=variant,
                    role=role,
                    at=at,
                    latency_ms=float(latency[arm, i]),
                    status=500 if failed[arm, i] else 200,
                    key=f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}",
                    rows=({},),
                    predictions=None if failed[arm, i] else (float(truth[i]),),
                    deployment=1,
                    chosen="split",
                )
            )
    known = [
        GroundTruth.model_construct(
            inference_id=f"request-{i}", row=0, label=labels[i], at=started + timedelta(hours=6)
        )
        for i in range(pairs)
    ]
    return captures, known


if __name__ == "__main__":
    title = f"Rollout judge at alpha {ALPHA}, looked at after every request (seed {SEED})"
    raise SystemExit(report(title, measure, sys.argv[1:]))
