"""Seeded canary traffic: who got which request, what came of it, and when that became known.

All scenarios have 500 requests a minute, so three hours are 90,000 requests; the challenger gets a share of them, by a
hash of the request's key. Shocks, outages, slow periods and drift are common to both variants, as they are when both
stand behind one router: a judge that blames the challenger for them is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

PER_MINUTE = 500
HOUR = 60 * PER_MINUTE
#: Milliseconds: the 99th percentile of the champion's latency, where it is steady.
P99 = 450.0
#: Milliseconds: slower than this is a bad outcome, where latency is heavy-tailed.
SLOW = 500.0
_SLICES = 20
_Z99 = 2.3263478740408408


@dataclass(frozen=True, eq=False)
class Stream:
    """The requests of one rollout, in the order in which they were served.

    :param at: seconds since the rollout began, ascending.
    :param arm: True where the challenger answered.
    :param y: the outcome in [0, 1]; 1 is an error, a slow answer or a wrong prediction.
    :param latency: milliseconds, None where the scenario is not about latency.
    :param key: what the assignment is hashed from: the user, the session or the request itself.
    :param known: seconds at which the outcome is known; the same array as ``at`` if that is at once.
    :param slices: which of 20 equal slices of the traffic a request belongs to, None if that does not matter.
    """

    at: Floats
    arm: Flags
    y: Floats
    latency: Floats | None
    key: Keys
    known: Floats
    slices: Indices | None = None

    @cached_property
    def order(self) -> Indices:
        """The requests in the order in which their outcomes became known."""
        if self.known is self.at:
            return np.arange(len(self.at))
        return np.argsort(self.known, kind="stable")

    @cached_property
    def tallies(self) -> tuple[Floats, Floats, Floats, Floats]:
        """After each known outcome: requests of challenger and champion, bad outcomes of challenger and champion."""
        arm, y = self.arm, self.y
        if self.known is not self.at:
            arm, y = arm[self.order], y[self.order]
        n1, s1 = np.cumsum(arm, dtype=np.float64), np.cumsum(y * arm)
        return n1, np.arange(1.0, len(arm) + 1) - n1, s1, np.cumsum(y) - s1

    def served(self, seconds: float) -> int | None:
        """The index of the last request served by then; None once the stream has ended."""
        if seconds > self.at[-1]:
            return None
        return int(np.searchsorted(self.at, seconds, side="right")) - 1


@dataclass(frozen=True)
class Pairs:
    """Requests that both models answered, as in shadow.

    :param champion: the champion's loss on each of them, in [0, 1].
    :param challenger: the challenger's loss on the same.
    """

    at: Floats
    champion: Floats
    challenger: Floats
    key: Keys
    known: Floats


Maker = Callable[[np.random.Generator, int, float], Stream]


@dataclass(frozen=True)
class Scenario:
    """A kind of traffic and what a careful user knows of it beforehand.

    :param make: from a generator, the number of requests and the challenger's share to a stream.
    :param base: the champion's average of ``y``.
    :param p99: the 99th percentile of the champion's latency in ms, None where there is no latency.
    :param effect: the size of a change of ``y`` that would matter.
    :param requests: the length of the stream; three hours unless more are needed to see anything.
    """

    name: str
    make: Maker
    base: float
    p99: float | None = None
    effect: float = 0.02
    requests: int = 3 * HOUR
    share: float = 0.1

    def stream(self, seed: int, run: int) -> Stream:
        """One run; the same for equal seeds, whatever other scenarios and runs there are."""
        rng = np.random.default_rng([seed, crc32(self.name.encode()), run])
        return self.make(rng, self.requests, self.share)


def hashed(key: Keys, salt: int) -> Floats:
    """Numbers in [0, 1) that depend on key and salt only (splitmix64, Steele, Lea & Flood 2014)."""
    x = key + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def errors(
    rng: np.random.Generator, requests: int, share: float, good: float = 0.02, bad: float | None = None
) -> Stream:
    """Steady error rates: ``good`` is the champion's, ``bad`` the challenger's, the same if None."""
    return _stream(rng, requests, share, good, (good if bad is None else bad) - good)


def shocks(rng: np.random.Generator, requests: int, share: float, per_minute: bool = False) -> Stream:
    """2 % errors; the log of the rate is an AR(1) process (phi 0.8, standard deviation 1), common to both.

    :param per_minute: whether the process steps once a minute rather than at each request.
    """
    at = _arrivals(rng, requests)
    step = (at / 60).astype(np.int64) if per_minute else np.arange(requests)
    level = ar1(rng, int(step[-1]) + 1, 0.8)[step]
    # exp(level) has the mean exp(1/2)
    rate = np.minimum(0.02 * np.exp(level - 0.5), 1.0)
    return _stream(rng, requests, share, rate, at=at)


def outages(rng: np.random.Generator, requests: int, share: float) -> Stream:
    """1 % errors, and every 20 minutes on average an outage of 20 seconds in which half of all requests fail."""
    at = _arrivals(rng, requests)
    starts = np.sort(rng.uniform(-20.0, at[-1], rng.poisson(at[-1] / 1200)))
    begun = np.searchsorted(starts, at, side="right")
    since = at - np.concatenate([[-np.inf], starts])[begun]
    return _stream(rng, requests, share, np.where(since < 20, 0.5, 0.01), at=at)


def drift(rng: np.random.Generator, requests: int, share: float) -> Stream:
    """Errors that rise from 0.5 % to 10 % for both."""
    return _stream(rng, requests, share, np.linspace(0.005, 0.10, requests))


def keyed(rng: np.random.Generator, requests: int, share: float, keys: int = 200) -> Stream:
    """``keys`` users of very different activity, each with an error rate of its own: Beta(0.2, 9.8), mean 2 %.

    All requests of a user meet the same variant. The users are the sample: there are only ``keys`` of them.
    """
    names = rng.integers(0, 2**64, keys, dtype=np.uint64)
    activity = np.cumsum(rng.lognormal(0, 1, keys))
    who = np.searchsorted(activity, rng.random(requests) * activity[-1])
    rate = rng.beta(0.2, 9.8, keys)
    return _stream(rng, requests, share, rate[who], key=names[who])


def sessions(rng: np.random.Generator, requests: int, share: float) -> Stream:
    """100 users at any time, each for 20 minutes and about 100 requests, each with an error rate of its own.

    As :func:`keyed`, but users come and go: what one variant happens to get is correlated over minutes.
    """
    at = _arrivals(rng, requests)
    seats, minutes = 100, 20.0
    seat = rng.integers(0, seats, requests)
    turn = (at / (60 * minutes) + rng.random(seats)[seat]).astype(np.int64)
    user = turn * seats + seat
    names = rng.integers(0, 2**64, int(user.max()) + 1, dtype=np.uint64)
    rate = rng.beta(0.2, 9.8, len(names))
    return _stream(rng, requests, share, rate[user], at=at, key=names[user])


def heavy_tails(rng: np.random.Generator, requests: int, share: float) -> Stream:
    """Log-normal latency with a Pareto tail, threefold in slow periods of about three minutes every half hour."""
    at = _arrivals(rng, requests)
    minutes = int(at[-1] / 60) + 1
    change = rng.random(minutes)
    slow = np.zeros(minutes, dtype=bool)
    for minute in range(1, minutes):
        slow[minute] = change[minute] >= 1 / 3 if slow[minute - 1] else change[minute] < 1 / 30
    latency = 45.0 * np.exp(0.7 * rng.standard_normal(requests))
    tail = rng.random(requests) < 0.02
    latency[tail] = 150.0 * (1 - rng.random(int(tail.sum()))) ** (-1 / 1.5)
    latency *= np.where(slow[(at / 60).astype(np.int64)], 3.0, 1.0)
    return _timed(rng, share, at, latency, SLOW, 1.0)


def latencies(rng: np.random.Generator, requests: int, share: float, slower: float = 1.0) -> Stream:
    """Log-normal latency, p99 450 ms; the challenger's is ``slower`` times as long. Bad is slower than 450 ms."""
    at = _arrivals(rng, requests)
    latency = P99 * np.exp(rng.standard_normal(requests) - _Z99)
    return _timed(rng, share, at, latency, P99, slower)


def late_labels(rng: np.random.Generator, requests: int, share: float, worse: float = 0.0) -> Stream:
    """15 % wrong predictions, ``worse`` more at the challenger; labels come after an hour, a little out of order."""
    at = _arrivals(rng, requests)
    known = at + 3600.0 + rng.exponential(60.0, requests)
    return _stream(rng, requests, share, 0.15, worse, at=at, known=known)


def sliced(rng: np.random.Generator, requests: int, share: float, bad: float = 0.01) -> Stream:
    """1 % errors in 20 equal slices; in slice 0 the challenger's rate is ``bad``."""
    slices = rng.integers(0, _SLICES, requests)
    worse = np.where(slices == 0, bad - 0.01, 0.0)
    return _stream(rng, requests, share, 0.01, worse, slices=slices)


def shadow_pairs(
    rng: np.random.Generator,
    requests: int,
    error: float = 0.10,
    disagreement: float = 0.05,
    worse: float = 0.0,
) -> Pairs:
    """Two models that answer the same requests; labels are known at once.

    :param error: the champion's error rate; the challenger's is ``error + worse``.
    :param disagreement: share of requests on which exactly one of them is wrong; at least ``abs(worse)``.
    """
    at = _arrivals(rng, requests)
    u = rng.random(requests)
    only_challenger, only_champion = (disagreement + worse) / 2, (disagreement - worse) / 2
    both = error - only_champion
    challenger = u < both + only_challenger
    champion = (u < both) | ((u >= both + only_challenger) & (u < both + disagreement))
    key = rng.integers(0, 2**64, requests, dtype=np.uint64)
    return Pairs(at, champion.astype(np.float64), challenger.astype(np.float64), key, at)


def ar1(rng: np.random.Generator, steps: int, phi: float) -> Floats:
    """A stationary AR(1) process of standard deviation 1."""
    noise = rng.standard_normal(steps)
    noise[1:] *= np.sqrt(1 - phi * phi)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise), dtype=np.float64)


def _arrivals(rng: np.random.Generator, requests: int) -> Floats:
    return np.cumsum(rng.exponential(60.0 / PER_MINUTE, requests))


def _stream(
    rng: np.random.Generator,
    requests: int,
    share: float,
    rate: Floats | float,
    worse: Floats | float = 0.0,
    *,
    at: Floats | None = None,
    key: Keys | None = None,
    known: Floats | None = None,
    slices: Indices | None = None,
) -> Stream:
    """Draw arms and outcomes: the champion is bad at ``rate``, the challenger at ``rate + worse``."""
    at = _arrivals(rng, requests) if at is None else at
    key = rng.integers(0, 2**64, requests, dtype=np.uint64) if key is None else key
    arm = hashed(key, 1) < share
    y = (rng.random(requests) < rate + worse * arm).astype(np.float64)
    return Stream(at, arm, y, None, key, at if known is None else known, slices)


def _timed(
    rng: np.random.Generator, share: float, at: Floats, latency: Floats, slow: float, factor: float
) -> Stream:
    key = rng.integers(0, 2**64, len(at), dtype=np.uint64)
    arm = hashed(key, 1) < share
    latency = latency * np.where(arm, factor, 1.0)
    return Stream(at, arm, (latency > slow).astype(np.float64), latency, key, at)


#: The challenger is exactly as good as the champion: to stop it is a mistake.
NO_CHANGE = {
    one.name: one
    for one in (
        Scenario("steady 1 %", partial(errors, good=0.01), 0.01),
        Scenario("steady 2 %", errors, 0.02),
        Scenario("AR(1) 0.8 per request", shocks, 0.02),
        Scenario("AR(1) 0.8 per minute", partial(shocks, per_minute=True), 0.02),
        Scenario("outages", outages, 0.0182),
        Scenario("heavy-tailed latency", heavy_tails, 0.0083, p99=462.0, effect=0.01),
        Scenario("drift 0.5 % to 10 %", drift, 0.0525),
        Scenario("200 keys", keyed, 0.02),
        Scenario("2,000 keys", partial(keyed, keys=2000), 0.02),
        Scenario("sessions of 20 minutes", sessions, 0.02),
        Scenario("labels an hour late", late_labels, 0.15, effect=0.01),
    )
}

#: The challenger is worse.
CHANGES = {
    one.name: one
    for one in (
        Scenario("errors 1 -> 2 %", partial(errors, good=0.01, bad=0.02), 0.01),
        Scenario("errors 1 -> 3 %", partial(errors, good=0.01, bad=0.03), 0.01),
        Scenario("errors 1 -> 10 %", partial(errors, good=0.01, bad=0.10), 0.01),
        Scenario("p99 latency +20 %", partial(latencies, slower=1.2), 0.01, p99=P99, effect=0.01),
        Scenario(
            "accuracy 85 -> 84 %",
            partial(late_labels, worse=0.01),
            0.15,
            effect=0.01,
            requests=8 * HOUR,
        ),
        Scenario("errors 1 -> 20 % in a slice", partial(sliced, bad=0.20), 0.01),
    )
}
