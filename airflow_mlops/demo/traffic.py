"""Live traffic: real flights, one request each, with the truth about them a little later."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any
from zlib import crc32

from airflow_mlops.core.record import utc_now
from airflow_mlops.demo.flights import COLUMNS

if TYPE_CHECKING:
    import httpx
    import pandas as pd

VARIANT = "x-amzn-invoked-production-variant"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
#: What a caller can't know before the departure: asked for as null, and the label not at all.
UNKNOWN_YET = {"dep_delay": None}
#: In one request.
_MOST_TRUTHS = 1000
#: Takes ``{"inference_id", "row", "label"}`` of some answers.
Tell = Callable[[list[dict[str, Any]]], object]


class Traffic:
    """Asks an endpoint about flights at a steady rate, for as long as a ``with`` block lasts.

    :ivar begun: when it began: before its first request, and after the last one of a traffic that ended before.
    :param base_url: the endpoint server.
    :param endpoint: the endpoint's name there.
    :param flights: the flights to ask about, over and over, each time under a new inference id, in random order: people
        ask about any day of the month ahead. (In the order of departure, a stage that lasts seconds would see one day
        and its weather alone, and judge a model by that day.)
    :param rate: requests per second, as far as the machine keeps up.
    :param workers: connections that ask at the same time.
    :param name: start of the inference ids; unique for each traffic of a store.
    :param tell: takes the truth about answered flights; without it, the server does.
    :param limit: so many requests; without it, as many as there is time for.
    :param order: requests of the same order ask about the same flights one after the other; ``name`` without it.
    :param late: keep the truth back until :meth:`tell_truth`, as in life, where it is known hours or weeks later.
    """

    def __init__(
        self,
        base_url: str,
        endpoint: str,
        flights: pd.DataFrame,
        *,
        name: str,
        rate: float = 150.0,
        workers: int = 4,
        tell: Tell | None = None,
        limit: int | None = None,
        order: str | None = None,
        late: bool = False,
    ) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.begun = utc_now()
        self._base_url = base_url
        self._path = f"/endpoints/{endpoint}"
        self._give = tell
        self._requests = itertools.islice(_requests(flights, name, order or name), limit)
        self._pause = workers / rate
        self._workers = workers
        self._lock = threading.Lock()
        self._truths: list[dict[str, Any]] = []
        self._known, self._told = threading.Event(), threading.Event()
        if not late:
            self._known.set()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Traffic:
        self.begun = utc_now()
        jobs = [self._ask] * self._workers + [self._tell]
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def finish(self, timeout: float = 600.0) -> None:
        """Wait until the last of a limited number of requests is answered.

        :raises TimeoutError: if that takes longer than ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        for thread in self._threads[: self._workers]:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise TimeoutError(f"live requests were not answered within {timeout:.0f} s")

    def tell_truth(self, timeout: float = 60.0) -> None:
        """Hand in the truth about the flights that are answered; from now on that of later ones too.

        :raises TimeoutError: if that takes longer than ``timeout`` seconds.
        """
        self._known.set()
        if not self._told.wait(timeout):
            raise TimeoutError(f"the truth was not taken within {timeout:.0f} s")

    def _client(self) -> httpx.Client:
        import httpx

        return httpx.Client(base_url=self._base_url, timeout=30, trust_env=False)

    def _ask(self) -> None:
        """Ask about the next flight, on a clock of its own so that a slow answer does not lower the rate."""
        import httpx

        due = time.monotonic()
        with self._client() as client:
            while not self._stop.is_set():
                with self._lock:
                    request = next(self._requests, None)
                if request is None:
                    return
                inference_id, row, label = request
                try:
                    answer = client.post(
                        f"{self._path}/invocations",
                        json={"instances": [row]},
                        headers={INFERENCE_ID: inference_id},
                    )
                    self._count(answer, inference_id, label)
                except httpx.HTTPError as error:
                    with self._lock:
                        self.failures[type(error).__name__] += 1
                due = max(due + self._pause, time.monotonic() - 1.0)
                self._stop.wait(max(0.0, due - time.monotonic()))

    def _count(self, answer: httpx.Response, inference_id: str, label: float) -> None:
        with self._lock:
            if answer.status_code == 200:
                self.answers[answer.headers.get(VARIANT, "?")] += 1
                self._truths.append({"inference_id": inference_id, "row": 0, "label": label})
            else:
                self.failures[f"HTTP {answer.status_code}: {answer.text[:120]}"] += 1

    def _tell(self) -> None:
        """Hand in the truth about the answered flights, in batches; also what is left at the end."""
        with self._client() as client:
            while not self._stop.wait(0.5):
                if self._known.is_set():
                    self._hand_in(client)
                    self._told.set()
            self._hand_in(client)

    def _hand_in(self, client: httpx.Client) -> None:
        with self._lock:
            truths, self._truths = self._truths, []
        for start in range(0, len(truths), _MOST_TRUTHS):
            some = truths[start : start + _MOST_TRUTHS]
            if self._give is not None:
                self._give(some)
            else:
                client.post(f"{self._path}/ground-truth", json={"records": some}).raise_for_status()


def _requests(flights: pd.DataFrame, name: str, order: str) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Inference id, row and truth of each request, without end."""
    asked = [column for column in COLUMNS if column not in ("late", *UNKNOWN_YET)]
    flights = flights.sample(frac=1.0, random_state=crc32(order.encode()))
    rows = flights[asked].astype(object).where(flights[asked].notna(), None)
    rows["departure"] = flights["departure"].map(lambda time: time.isoformat())
    records = [{**row, **UNKNOWN_YET} for row in rows.to_dict("records")]
    labels = flights["late"].astype(float).tolist()
    for turn in itertools.count():
        for index, (row, label) in enumerate(zip(records, labels, strict=True)):
            yield f"{name}-{turn}-{index}", row, label
