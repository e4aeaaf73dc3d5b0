"""What an endpoint really serves: the newest deployment, as far as its versions can be loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import NOTHING, Deployment, Desired, effective
from airflow_mlops.core.serving.batching import Batcher
from airflow_mlops.core.serving.loading import Contract, LoadedVersion

#: Versions kept in memory beyond those that serve, so that a rollback need not load.
KEPT = 3
_FIRST_RETRY, _LAST_RETRY = 1.0, 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ready:
    """A loaded version with the batcher that calls it."""

    version: LoadedVersion
    batcher: Batcher


@dataclass(frozen=True)
class Applied:
    """One consistent state; a request uses the one it met from its beginning to its end.

    :param serves: what is served, in the terms of the deployment log.
    :param until: wall-clock time (seconds since the epoch) when the challenger's lease is over.
    :param contract: of the champion; without one, of the newest version, whose fallback rule then answers.
    """

    serves: Desired = NOTHING
    champion: Ready | None = None
    challenger: Ready | None = None
    until: float | None = None
    contract: Contract = field(default_factory=Contract)

    def expired(self) -> bool:
        """Whether the challenger's lease is over by this machine's clock."""
        return self.until is not None and time.time() >= self.until


@dataclass
class _Failure:
    message: str
    tries: int
    again: float


@dataclass
class State:
    """Follows one model's deployments: knows what was asked for, what is loaded, and what that allows to
    serve.

    Lives on the event loop. :meth:`settle` is cheap, and is called whenever something may have changed.

    :param load: starts to load a version in the background; ends in :meth:`loaded` or :meth:`failed`.
    """

    model: str
    load: Callable[[int], None]
    number: int = 0
    entry: Deployment | None = None
    newest: Contract | None = None
    now: Applied = Applied()
    ready: dict[int, Ready] = field(default_factory=dict)
    loading: set[int] = field(default_factory=set)
    failures: dict[int, _Failure] = field(default_factory=dict)

    def asked(self) -> Desired:
        """What the newest known entry asks for at this moment."""
        return NOTHING if self.entry is None else effective(self.number, self.entry, utc_now())

    def error(self) -> str | None:
        """Why less is served than was asked for, None when nothing is wrong."""
        desired = self.asked()
        messages = [self.failures[n].message for n in _wanted(desired) if n in self.failures]
        return "; ".join(messages) or None

    def failed_versions(self) -> list[int]:
        """The versions that should serve and can't be loaded."""
        return [number for number in _wanted(self.asked()) if number in self.failures]

    def take(self, number: int, entry: Deployment, newest: Contract | None) -> None:
        """A newer entry was read."""
        if number > self.number:
            self.number, self.entry, self.newest = number, entry, newest
            self.failures.clear()
            self.settle()

    def loaded(self, number: int, ready: Ready) -> None:
        """A version is in memory."""
        self.loading.discard(number)
        self.failures.pop(number, None)
        self.ready[number] = ready
        self.settle()

    def failed(self, number: int, message: str) -> None:
        """A version can't be loaded now; it is tried again later, ever more seldom."""
        self.loading.discard(number)
        tries = self.failures[number].tries + 1 if number in self.failures else 1
        wait = min(_FIRST_RETRY * 2 ** (tries - 1), _LAST_RETRY)
        text = f"version {number} of {self.model} can't be loaded: {message}"
        if tries == 1:
            _log.warning("%s", text)
        self.failures[number] = _Failure(text, tries, time.monotonic() + wait)
        self.settle()

    def retry(self) -> None:
        """Try failed versions again now."""
        for failure in self.failures.values():
            failure.again = 0.0

    def settle(self) -> Applied:
        """Serve what was asked for, as far as it is loaded; start to load the rest."""
        desired = self.asked()
        for number in _wanted(desired):
            self._want(number)
        applied = self._possible(desired)
        if applied != self.now:
            if applied.serves != self.now.serves:
                _log.info("%s: serves %s", self.model, _in_words(applied.serves))
            self.now = applied
        self._forget(desired)
        return self.now

    def _want(self, number: int) -> None:
        if number in self.ready:
            self.ready[number] = self.ready.pop(number)  # most recently used last
            return
        failure = self.failures.get(number)
        if number not in self.loading and (failure is None or time.monotonic() >= failure.again):
            self.loading.add(number)
            self.load(number)

    def _possible(self, desired: Desired) -> Applied:
        champion = self.ready.get(desired.champion) if desired.champion is not None else None
        if desired.mode == "fallback":
            return Applied(desired, contract=self.newest or Contract())
        if champion is None:
            return self._without(desired)
        contract = champion.version.contract
        challenger = self.ready.get(desired.challenger) if desired.challenger is not None else None
        if challenger is None:
            alone = Desired(number=desired.number, mode="champion", champion=desired.champion)
            return Applied(alone, champion, contract=contract)
        until = self.entry.lease_until if self.entry else None
        return Applied(desired, champion, challenger, until.timestamp() if until else None, contract)

    def _without(self, desired: Desired) -> Applied:
        """The champion asked for is not there (yet): the old one goes on, but alone; the rule if there is
        none.
        """
        old = self.now
        if old.champion is None:
            nothing = Desired(number=desired.number, mode="fallback", champion=None)
            return Applied(nothing, contract=self.newest or Contract())
        if old.challenger is None:
            return old
        alone = Desired(number=old.serves.number, mode="champion", champion=old.champion.version.number)
        return Applied(alone, old.champion, contract=old.contract)

    def _forget(self, desired: Desired) -> None:
        serving = {self.now.serves.champion, self.now.serves.challenger, *_wanted(desired)}
        spare = [number for number in self.ready if number not in serving]
        for number in spare[: max(0, len(spare) - KEPT)]:
            del self.ready[number]


def _wanted(desired: Desired) -> tuple[int, ...]:
    return tuple(n for n in (desired.champion, desired.challenger) if n is not None)


def _in_words(serves: Desired) -> str:
    words = {
        "fallback": "the fallback rule",
        "champion": f"v{serves.champion}",
        "shadow": f"v{serves.champion} with v{serves.challenger} in shadow",
        "canary": f"v{serves.champion} with v{serves.challenger} at {serves.weight:.0%}",
    }
    return f"{words[serves.mode]} (deployment {serves.number})"


def describe(state: State) -> Mapping[str, object]:
    """What is really served, what was asked for, and why they differ."""
    serves = state.settle().serves
    return {
        **serves.model_dump(mode="json"),
        "endpoint": state.model,
        "asked": state.asked().model_dump(mode="json"),
        "loaded": sorted(state.ready),
        "loading": sorted(state.loading),
        "failed": state.failed_versions(),
        "error": state.error(),
    }
