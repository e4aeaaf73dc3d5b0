"""A load client that is not the bottleneck: plain sockets, requests made beforehand, one thread, epoll.

It takes about a quarter of the CPU time of the fastest server measured here; :class:`Load` says how much it took, so
that a reader can see that the client did not limit the server.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_EPOLL, _BIT = 0.002, 0.00005


@dataclass
class Load:
    """What a run of the client saw. Times in seconds; ``moments`` are on the clock of ``time.monotonic``."""

    seconds: float
    latencies: list[float]
    statuses: Counter[int]
    variants: list[tuple[float, bytes]] = field(default_factory=list)
    client_cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.statuses[200] / self.seconds

    @property
    def failed(self) -> int:
        """Answers other than 200; a lost connection counts as status 0."""
        return sum(count for status, count in self.statuses.items() if status != 200)

    def quantile(self, share: float) -> float:
        """A latency quantile in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def request(port: int, path: str, body: bytes) -> bytes:
    """The bytes of one POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def drive(
    port: int,
    requests: Sequence[bytes],
    *,
    seconds: float,
    connections: int,
    rate: float | None = None,
    watch: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Load:
    """Send requests for some seconds.

    :param rate: requests per second, sent at fixed times whether or not answers came (latency counts from the time
        when a request was due); None sends the next one as soon as an answer is there.
    :param watch: keep which variant answered, and when.
    """
    return _Client(port, requests, connections, rate, watch).run(seconds, stop)


class _Client:
    def __init__(
        self, port: int, requests: Sequence[bytes], connections: int, rate: float | None, watch: bool
    ) -> None:
        self._requests = requests
        self._rate = rate
        self._watch = watch
        self._next = 0
        self._selector = selectors.DefaultSelector()
        self._free: deque[socket.socket] = deque()
        self._due: dict[int, float] = {}
        self._parts: dict[int, bytes] = {}
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ)
            self._free.append(connection)
        self._load = Load(0.0, [], Counter())

    def run(self, seconds: float, stop: Callable[[], bool]) -> Load:
        start, cpu = time.perf_counter(), time.process_time()
        end = start + seconds
        planned = start
        while (now := time.perf_counter()) < end and not stop():
            while self._free and (self._rate is None or planned <= now):
                self._send(self._free.popleft(), now if self._rate is None else planned)
                planned += 0.0 if self._rate is None else 1 / self._rate
            self._receive(0.05 if self._rate is None or not self._free else self._nap(planned - now))
        self._load.seconds = time.perf_counter() - start
        last = time.perf_counter() + 5
        while self._due and time.perf_counter() < last:
            self._receive(0.1)
        self._load.statuses[0] += len(self._due)
        self._load.client_cpu = time.process_time() - cpu
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()
        return self._load

    @staticmethod
    def _nap(until_due: float) -> float:
        """The time to wait in epoll. It knows whole milliseconds only, so the last ones are slept in small bits."""
        if until_due > _EPOLL:
            return until_due - _EPOLL
        time.sleep(max(0.0, min(until_due, _BIT)))
        return 0.0

    def _send(self, connection: socket.socket, due: float) -> None:
        self._due[connection.fileno()] = due
        connection.sendall(self._requests[self._next])
        self._next = (self._next + 1) % len(self._requests)

    def _receive(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            data = self._parts.pop(key.fd, b"") + connection.recv(65536)
            if not data:
                self._selector.unregister(connection)
                self._load.statuses[0] += self._due.pop(key.fd, None) is not None
                continue
            if _is_whole(data):
                self._answered(key.fd, data)
                self._free.append(connection)
            else:
                self._parts[key.fd] = data

    def _answered(self, fd: int, data: bytes) -> None:
        self._load.latencies.append(time.perf_counter() - self._due.pop(fd))
        self._load.statuses[int(data[9:12])] += 1
        if self._watch:
            at = data.find(b"production-variant: ")
            self._load.variants.append((time.monotonic(), data[at + 20 : data.find(b"\r", at)]))


def _is_whole(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = data.find(b"content-length: ")
    return len(data) >= end + 4 + int(data[at + 16 : data.find(b"\r", at)])


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has taken."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pin(core: int, pid: int = 0) -> None:
    """Keep a process (0 is this one) on one core, where there are several: server and client don't push each other."""
    cores = list(range(os.cpu_count() or 1))
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[core % len(cores)]})
