"""A training job as a state machine: what only waits is scheduled on the clock, what works runs in threads.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html has the states,
https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html the interruptions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_mlops.testing.sagemaker import objects
from airflow_mlops.testing.sagemaker.job import Job
from airflow_mlops.testing.sagemaker.logs import TRAINING_JOBS, Logs
from airflow_mlops.testing.sagemaker.records import Record, Records
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.training_environment import Host
from airflow_mlops.testing.sagemaker.training_host import Machine, Syncing

#: Between SIGTERM and SIGKILL: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
_GRACE = timedelta(seconds=120)
#: Between two tries to get machines.
_RETRY = timedelta(seconds=60)
#: What a second on spare capacity costs of one on demand here; AWS says "up to 90 %" less.
_SPOT_PRICE = 0.3
#: Of the file ``/opt/ml/output/failure``, as much as gets into FailureReason.
_REASON = 1024
CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. "
    "Please retry using a different ML instance type."
)
#: Status and message of the ends that are no success.
_ENDS = {
    "Stopped": ("Stopped", "Training job stopped"),
    "MaxRuntimeExceeded": ("Stopped", "Training job runtime exceeded MaxRuntimeInSeconds provided"),
    "MaxWaitTimeExceeded": ("Stopped", "Training job wait time exceeded MaxWaitTimeInSeconds provided"),
}


class TrainingRun(Job):
    """One job from its creation to its end. Its methods are called with the simulator's lock held.

    :param record: what Describe shows; kept up to date in ``records``.
    :param request: of CreateTrainingJob.
    """

    def __init__(
        self, simulator: Simulator, records: Records, record: Record, request: dict[str, Any]
    ) -> None:
        super().__init__(simulator, record["TrainingJobName"])
        self._records, self._record, self._request = records, record, request
        self._machines: list[Machine] = []
        self._statuses: dict[int, int] = {}
        self._syncing: Syncing | None = None
        self._ending: str | None = None
        self._training = self._interrupted = False
        self._attempt = 0
        self._billed = timedelta(0)
        self._running_since: datetime | None = None

    # --- what is asked of it -----------------------------------------------------------------------------------

    def start(self) -> None:
        """The job was created."""
        self._enter("Starting", "Starting the training job")
        self._later(self._simulator.timing.step, self._launch)
        if wait := self._request["StoppingCondition"].get("MaxWaitTimeInSeconds"):
            self._simulator.clock.schedule(
                timedelta(seconds=wait), lambda: self._end_early("MaxWaitTimeExceeded")
            )

    def stop(self) -> None:
        """StopTrainingJob: the program gets SIGTERM, and SIGKILL after 120 seconds."""
        self._end_early("Stopped")

    def close(self) -> None:
        """The simulator ends, and with it every process. Called without the lock."""
        self._closed = True
        if self._syncing:
            self._syncing.end()
        for machine in self._machines:
            machine.stop()

    # --- from machines to the program --------------------------------------------------------------------------

    def _launch(self) -> None:
        if self._simulator.faults.take("capacity", "CreateTrainingJob"):
            if not self._request.get("EnableManagedSpotTraining"):
                return self._fail(CAPACITY)
            self._enter(
                "Starting", "Insufficient capacity error from EC2 while launching instances, retrying!"
            )
            return self._later(_RETRY, self._launch)
        if self._simulator.faults.take("internal", "CreateTrainingJob"):
            return self._fail("InternalServerError: We encountered an internal error. Please try again.")
        self._attempt += 1
        self._running_since = self._simulator.clock.now()
        self._record.setdefault("TrainingStartTime", self._running_since)
        self._enter("Downloading", "Downloading input data")
        self._machines = [self._machine(number) for number in range(1, self._count + 1)]
        self._work(self._load, self._loaded)
        return None

    def _load(self) -> None:
        s3 = self._simulator.s3()
        for machine in self._machines:
            machine.load(s3)

    def _loaded(self, error: str | None) -> None:
        if self._ending:
            return self._finish(self._ending)
        if error:
            return self._fail(error)
        self._enter("Training", "Downloading the training image")
        return self._later(self._simulator.timing.step, self._train)

    def _train(self) -> None:
        self._enter("Training", "Training image download completed. Training in progress.")
        self._statuses.clear()
        self._interrupted = False
        turn = self._turn
        try:
            for index, machine in enumerate(self._machines):
                machine.run(self._record["TrainingJobArn"], self._exit_of(index))
        except OSError as error:
            for machine in self._machines:
                machine.kill()
            return self._fail(f"AlgorithmError: {error}, exit code: 1")
        self._training = True
        self._syncing = Syncing(self._machines, self._simulator.s3, lambda synced: self._look(turn, synced))
        self._syncing.start()
        left = timedelta(seconds=self._request["StoppingCondition"]["MaxRuntimeInSeconds"]) - self._billed
        self._later(max(left, timedelta(0)), lambda: self._end_early("MaxRuntimeExceeded"))
        if self._simulator.faults.take("stopped", "CreateTrainingJob"):
            self._end_early("Stopped")
        return None

    def _look(self, turn: int, synced: bool) -> bool:
        """Whether the program still runs; kills it when an interruption was ordered and a checkpoint is safe."""
        with self._simulator.lock:
            if self._closed or turn != self._turn:
                return False
            ready = synced or "CheckpointConfig" not in self._request
            spot = self._request.get("EnableManagedSpotTraining")
            if spot and ready and self._simulator.faults.take("interrupted", "CreateTrainingJob"):
                self._interrupted = True
                for machine in self._machines:
                    machine.kill()
                return False
            return True

    # --- from the program's end to the job's -------------------------------------------------------------------

    def _exit_of(self, index: int) -> Callable[[int], None]:
        attempt = self._attempt

        def exited(status: int) -> None:
            with self._simulator.lock:
                if not self._closed and attempt == self._attempt:
                    self._exited(index, status)

        return exited

    def _exited(self, index: int, status: int) -> None:
        self._statuses[index] = status
        if status:
            # one machine that fails is the end of all of them
            for machine in self._machines:
                machine.kill()
        if len(self._statuses) == len(self._machines):
            self._training = False
            if self._syncing:
                self._syncing.end()
            self._ended()

    def _ended(self) -> None:
        """The program has ended on every machine."""
        if self._interrupted:
            return self._resume()
        failed = next(iter([number for number, one in self._statuses.items() if one]), None)
        if failed is not None and not self._ending:
            reason = self._reason(self._machines[failed])
            return self._work(self._upload_rest, lambda error: self._fail(reason))
        if not self._ending:
            self._turn += 1
            self._enter("Uploading", "Uploading generated training model")
        return self._later(self._simulator.timing.step, lambda: self._work(self._upload, self._uploaded))

    def _resume(self) -> None:
        self._pause_billing()
        self._turn += 1
        self._enter("Interrupted", "The spot instances were interrupted")
        for machine in self._machines:
            shutil.rmtree(machine.host.root, ignore_errors=True)
        self._later(self._simulator.timing.step, self._restart)

    def _restart(self) -> None:
        self._enter("Starting", "Launching requested ML instances")
        self._later(self._simulator.timing.step, self._launch)

    def _upload(self) -> None:
        s3, target = self._simulator.s3(), Path(self._machines[0].host.root).parent
        for machine in self._machines:
            machine.sync(s3)
        archive = target / "model.tar.gz"
        objects.pack([machine.host.model for machine in self._machines], archive)
        objects.upload(s3, archive, self._record["ModelArtifacts"]["S3ModelArtifacts"])
        self._upload_rest()

    def _upload_rest(self) -> None:
        """Output data go up also when the program has failed: there may be the reason in them."""
        archive = Path(self._machines[0].host.root).parent / "output.tar.gz"
        if objects.pack([machine.host.output_data for machine in self._machines], archive):
            objects.upload(self._simulator.s3(), archive, f"{self._output}/output.tar.gz")

    def _uploaded(self, error: str | None) -> None:
        if error:
            return self._fail(error)
        return self._finish(self._ending or "Completed")

    def _reason(self, machine: Machine) -> str:
        """As SageMaker words it. The XGBoost container writes over what the script has left in ``failure``."""
        command = f'ExecuteUserScriptError:\nCommand "{" ".join(machine.command)}"'
        image = self._request["AlgorithmSpecification"].get("TrainingImage", "")
        if "xgboost" not in image and machine.host.failure.is_file():
            command = machine.host.failure.read_text(errors="replace")
        return f"AlgorithmError: {command[:_REASON]}, exit code: 1"

    # --- ends --------------------------------------------------------------------------------------------------

    def _end_early(self, how: str) -> None:
        if self._closed or self._record["TrainingJobStatus"] != "InProgress":
            return
        uploading = self._record["SecondaryStatus"] == "Uploading"
        self._ending = how
        self._record["TrainingJobStatus"] = "Stopping"
        self._enter("Stopping", "Stopping the training job")
        if uploading or self._busy:
            return  # what is under way comes to its end first
        self._turn += 1
        if self._training:
            for machine in self._machines:
                machine.terminate()
            self._later(_GRACE, self._kill)
        else:
            self._later(self._simulator.timing.step, lambda: self._finish(how))

    def _kill(self) -> None:
        for machine in self._machines:
            machine.kill()

    def _fail(self, reason: str) -> None:
        self._record["FailureReason"] = reason[:_REASON]
        self._record["TrainingJobStatus"] = "Failed"
        self._close_books("Failed", "Training job failed")

    def _finish(self, how: str) -> None:
        status, message = _ENDS.get(how, ("Completed", "Training job completed"))
        self._record["TrainingJobStatus"] = status
        self._close_books(how, message)

    def _close_books(self, secondary: str, message: str) -> None:
        self._turn += 1
        self._pause_billing()
        now = self._simulator.clock.now()
        if "TrainingStartTime" in self._record:
            took = (now - self._record["TrainingStartTime"]).total_seconds()
            price = _SPOT_PRICE if self._request.get("EnableManagedSpotTraining") else 1.0
            self._record |= {
                "TrainingEndTime": now,
                "TrainingTimeInSeconds": max(1, round(took)),
                "BillableTimeInSeconds": max(1, round(self._billed.total_seconds() * price)),
            }
        self._enter(secondary, message)
        self._record["SecondaryStatusTransitions"][-1]["EndTime"] = now
        self._records.put(self._name, self._record)

    def _pause_billing(self) -> None:
        if self._running_since is not None:
            self._billed += self._simulator.clock.now() - self._running_since
            self._running_since = None

    # --- tools -------------------------------------------------------------------------------------------------

    def _enter(self, secondary: str, message: str) -> None:
        """A state, or a new message in the same state."""
        now = self._simulator.clock.now()
        transitions = self._record["SecondaryStatusTransitions"]
        if transitions and transitions[-1]["Status"] == secondary:
            transitions[-1]["StatusMessage"] = message
        else:
            if transitions:
                transitions[-1]["EndTime"] = now
            transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})
        self._record |= {"SecondaryStatus": secondary, "LastModifiedTime": now}
        self._records.put(self._name, self._record)

    def _machine(self, number: int) -> Machine:
        folder = (
            self._simulator.home / "training" / self._name / f"attempt-{self._attempt}" / f"algo-{number}"
        )
        logs, epoch = self._simulator.room(Logs), int(self._simulator.clock.now().timestamp())
        stream = f"{self._name}/algo-{number}-{epoch}"
        logs.stream(TRAINING_JOBS, stream)
        host = Host(folder, number, self._count)
        return Machine(
            self._simulator, host, self._request, lambda line: logs.write(TRAINING_JOBS, stream, line)
        )

    @property
    def _count(self) -> int:
        return int(self._request["ResourceConfig"]["InstanceCount"])

    @property
    def _output(self) -> str:
        return f"{self._request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self._name}/output"
