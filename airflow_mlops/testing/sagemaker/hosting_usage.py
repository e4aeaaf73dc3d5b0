"""What the containers of endpoints use: memory, CPU, disk, as CloudWatch shows it.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.testing.sagemaker.hosting import Hosting, Variant
from airflow_mlops.testing.sagemaker.metrics import Key, Metrics, key_of

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.containers import Container
    from airflow_mlops.testing.sagemaker.simulator import Simulator

NAMESPACE = "/aws/sagemaker/Endpoints"
#: GiB of memory per vCPU by the letter of the instance family.
_PER_CPU = {"c": 2.0, "m": 4.0, "r": 8.0, "g": 4.0, "p": 7.625, "i": 2.0, "t": 4.0, "d": 8.0}
_VOLUME_GB = 30
_A_MOMENT = timedelta(seconds=1)


def vcpus(instance_type: str) -> int:
    """Of an instance type, e.g. 8 of ``ml.m5.2xlarge``."""
    size = instance_type.rpartition(".")[2]
    times = re.fullmatch(r"(\d*)xlarge", size)
    return 4 * int(times[1] or 1) if times else 1 if size == "medium" else 2


def memory_gb(instance_type: str) -> float:
    """Of an instance type, e.g. 8 of ``ml.m5.large``."""
    if instance_type == "ml.t2.medium":
        return 4.0
    return vcpus(instance_type) * _PER_CPU.get(instance_type.removeprefix("ml.")[:1], 4.0)


class Usage:
    """The room: it looks at the processes each minute.

    :attr memory: memory in GB by instance type, where tests want another one: a model fills a small machine sooner.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.memory: dict[str, float] = {}
        self._cpu: dict[int, tuple[float, float, float]] = {}
        self._disk: dict[Path, int] = {}
        simulator.room(Metrics).each_minute(self.sample)

    def sample(self) -> None:
        """Record what every container uses now."""
        now = self._simulator.clock.now()
        values = [value for name, variant in self._running() for value in self._values(name, variant)]
        # the minute that ends now, not the one that begins
        self._simulator.room(Metrics).record(values, now.replace(microsecond=0) - _A_MOMENT)

    def _running(self) -> Iterator[tuple[str, Variant]]:
        for endpoint in self._simulator.room(Hosting).endpoints.values():
            fleets = [endpoint.fleet, endpoint.deployment.green if endpoint.deployment else None]
            for fleet in fleets:
                yield from ((endpoint.name, one) for one in (fleet.variants if fleet else ()))

    def _values(self, endpoint: str, variant: Variant) -> Iterator[tuple[Key, float, str]]:
        container, kind = variant.container, variant.settings["InstanceType"]
        pid = container.pid
        memory = resident_bytes(pid) if pid is not None else None
        if pid is None or memory is None:
            return
        total = self.memory.get(kind, memory_gb(kind)) * 2**30
        volume = variant.settings.get("VolumeSizeInGB", _VOLUME_GB) * 1e9
        used = {
            "MemoryUtilization": 100 * memory / total,
            "CPUUtilization": 100 * self._cores(pid),
            "DiskUtilization": 100 * self._bytes(container) / volume,
        }
        for name, value in used.items():
            where = (("EndpointName", endpoint), ("VariantName", variant.name))
            yield key_of(NAMESPACE, name, where), value, "Percent"

    def _cores(self, pid: int) -> float:
        """How many cores a process has kept busy since the last look, in real time."""
        at, used = time.monotonic(), cpu_seconds(pid)
        before, had, rate = self._cpu.get(pid, (at - 1.0, used, 0.0))
        if at - before >= 0.5:
            rate = (used - had) / (at - before)
            self._cpu[pid] = (at, used, rate)
        return max(0.0, rate)

    def _bytes(self, container: Container) -> int:
        if container.folder not in self._disk:
            sizes = (one.stat().st_size for one in container.folder.rglob("*") if one.is_file())
            self._disk[container.folder] = sum(sizes)
        return self._disk[container.folder]


def resident_bytes(pid: int) -> int | None:
    """Memory that a process holds; None if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0
