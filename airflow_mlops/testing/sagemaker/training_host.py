"""One machine of a training job: it gets code and data, runs the program and keeps its checkpoints in S3."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_mlops.testing.sagemaker import container_main, objects, training_environment
from airflow_mlops.testing.sagemaker.objects import DataError
from airflow_mlops.testing.sagemaker.processes import Program, base_environment, python
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.training_environment import Host

#: Seconds (real ones) between two looks at the checkpoints.
_SYNC = 0.1
#: Runs a module as ``python -m`` does, where what SageMaker's container does not have comes from the archive alone.
_LAUNCH = (
    "import runpy, sys; _, inside, code, module, *rest = sys.argv; "
    "sys.path = [code, *(one for one in sys.path if one)]; "
    "sys.meta_path.insert(0, runpy.run_path(inside)['OnlyFromArchive'](code)); "
    "sys.argv = [module, *rest]; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


class Machine:
    """A host with what runs on it.

    :param request: of CreateTrainingJob.
    :param say: takes each line of the log.
    """

    def __init__(
        self, simulator: Simulator, host: Host, request: dict[str, Any], say: Callable[[str], None]
    ) -> None:
        self.host = host
        self.synced = 0
        self._simulator, self._request, self._say = simulator, request, say
        self._hyperparameters = training_environment.parsed(request.get("HyperParameters", {}))
        self._seen: dict[Path, tuple[float, int]] = {}
        self._program: Program | None = None

    @property
    def command(self) -> list[str]:
        """As the XGBoost container runs a script: as a module in the folder of the code."""
        module = str(self._hyperparameters["sagemaker_program"]).removesuffix(".py")
        return [python(), "-m", module, *training_environment.arguments(self._hyperparameters)]

    def load(self, s3: Any) -> None:
        """Download code, channels and checkpoints. :raises DataError: if something can't be had."""
        training_environment.prepare(self.host, self._request)
        if "sagemaker_program" not in self._hyperparameters:
            raise DataError(
                "the simulator runs scripts, no built-in algorithms: set the hyperparameter sagemaker_program"
            )
        self._load_code(s3)
        for channel in self._request.get("InputDataConfig", ()):
            self._load_channel(s3, channel)
        if "CheckpointConfig" in self._request:
            folder = self.host.checkpoints(self._request)
            for path in objects.download_below(s3, self._request["CheckpointConfig"]["S3Uri"] + "/", folder):
                self._seen[path] = _state(path)

    def run(self, arn: str, on_exit: Callable[[int], None]) -> None:
        """Start the program. :raises OSError: if it can't be started."""
        if (self.host.code / "requirements.txt").exists():
            self._say(
                "simulator: requirements.txt is not installed; the simulator's environment is used as it is"
            )
        self._say(f"Invoking script with the following command: {' '.join(self.command)}")
        variables = training_environment.variables(self.host, self._request, self._simulator.region, arn)
        self._program = Program(
            [python(), "-c", _LAUNCH, container_main.__file__, str(self.host.code), *self.command[2:]],
            folder=self.host.code,
            environment={**base_environment(self._simulator.role_environment()), **variables},
            on_line=self._say,
            on_exit=on_exit,
        )

    def terminate(self) -> None:
        """SIGTERM."""
        if self._program:
            self._program.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        if self._program:
            self._program.kill()

    def stop(self) -> None:
        """End the program and wait for its end."""
        if self._program:
            self._program.stop(0.5)

    def sync(self, s3: Any) -> None:
        """Upload checkpoints that are new or have changed. :raises DataError: if S3 does not take them."""
        if "CheckpointConfig" not in self._request:
            return
        folder = self.host.checkpoints(self._request)
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            try:
                state = _state(path)
                if self._seen.get(path) == state:
                    continue
                name = path.relative_to(folder).as_posix()
                objects.upload(s3, path, f"{self._request['CheckpointConfig']['S3Uri'].rstrip('/')}/{name}")
            except FileNotFoundError:
                continue  # the program has renamed or removed it meanwhile
            self._seen[path] = state
            self.synced += 1

    def _load_code(self, s3: Any) -> None:
        uri = str(self._hyperparameters.get("sagemaker_submit_directory", ""))
        if not uri.startswith("s3://"):
            raise DataError(f"sagemaker_submit_directory is no S3 URI: {uri!r}")
        archive = self.host.root / "sourcedir.tar.gz"
        objects.download(s3, uri, archive)
        objects.unpack(archive, self.host.code)

    def _load_channel(self, s3: Any, channel: dict[str, Any]) -> None:
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] != "S3Prefix" or channel.get("InputMode") == "Pipe":
            raise DataError(
                f"channel {channel['ChannelName']}: the simulator knows S3Prefix in File or FastFile mode"
            )
        keys = list(objects.keys_below(s3, source["S3Uri"]))
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            keys = keys[self.host.number - 1 :: self.host.count]
        objects.download_below(s3, source["S3Uri"], self.host.channel(channel["ChannelName"]), keys)


class Syncing(threading.Thread):
    """Keeps the checkpoints of running machines in S3, and looks out for what interrupts them.

    :param look: called after each round, with whether a checkpoint has ever been uploaded; ends when it returns False.
    """

    def __init__(self, machines: list[Machine], s3: Callable[[], Any], look: Callable[[bool], bool]) -> None:
        super().__init__(name="checkpoints", daemon=True)
        self._machines, self._s3, self._look = machines, s3, look
        self._ended = threading.Event()

    def run(self) -> None:
        """Until it is told to end."""
        s3 = self._s3()
        while not self._ended.wait(_SYNC):
            try:
                for machine in self._machines:
                    machine.sync(s3)
            except DataError:
                continue  # it is tried again, and at the end of the job it counts
            if not self._look(any(machine.synced for machine in self._machines)):
                return

    def end(self) -> None:
        """No further round."""
        self._ended.set()


def _state(path: Path) -> tuple[float, int]:
    found = path.stat()
    return found.st_mtime, found.st_size
