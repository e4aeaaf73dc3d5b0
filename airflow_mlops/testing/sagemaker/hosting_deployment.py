"""What an UpdateEndpoint sets going: a green fleet beside the blue one, traffic in steps, alarms, the way back.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.testing.sagemaker.alarms import Alarms
from airflow_mlops.testing.sagemaker.faults import Fault

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.hosting import Endpoint, Fleet, Hosting
    from airflow_mlops.testing.sagemaker.simulator import Simulator

NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using "
    "a different ML instance type or after some time."
)
_DEFAULT: dict[str, Any] = {
    "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
}


def reason_of(fault: Fault, otherwise: str) -> str:
    """What an ordered fault gives as FailureReason: its own message, if it has one; an empty one is none."""
    return otherwise if fault.message == Fault.message else fault.message


class Deployment:
    """One update of an endpoint; everything in it happens with the simulator's lock held.

    :param policy: the request's DeploymentConfig.
    :param show: says that the endpoint looks different now.
    """

    def __init__(
        self,
        simulator: Simulator,
        hosting: Hosting,
        endpoint: Endpoint,
        blue: Fleet,
        green: Fleet,
        policy: dict[str, Any],
        show: Callable[[], None],
    ) -> None:
        self._simulator, self._hosting, self._endpoint = simulator, hosting, endpoint
        self.blue, self.green, self._show = blue, green, show
        self._rolling = policy.get("RollingUpdatePolicy")
        self._policy: dict[str, Any] = self._rolling or policy.get("BlueGreenUpdatePolicy") or _DEFAULT
        alarms = policy.get("AutoRollbackConfiguration", {}).get("Alarms", [])
        self._alarms = [one["AlarmName"] for one in alarms]
        self._steps = self._shares()
        self._watching = self._going_back = self._over = False
        self.started = simulator.clock.now()

    def begin(self) -> None:
        """Ask for the machines."""
        self._endpoint.status, self._endpoint.reason = "Updating", None
        self.green.mark("Creating", self.started)
        self._simulator.room(Alarms).listeners.append(self._look)
        limit = self._policy.get("MaximumExecutionTimeoutInSeconds")
        if limit is not None:
            self._later(timedelta(seconds=limit), self._out_of_time)
        self._later(self._simulator.timing.machines, self._provision)
        self._show()

    def roll_back(self, reason: str) -> None:
        """All requests to the blue fleet, and then the green one goes."""
        if self._over or self._going_back:
            return
        self._going_back, self._watching = True, False
        self._endpoint.status, self._endpoint.reason = "RollingBack", reason or None
        self._endpoint.route((1.0, self.blue))
        self.green.mark("Deleting", self._simulator.clock.now())
        self._simulator.clock.schedule(self._simulator.timing.machines, self._rolled_back)
        self._show()

    def _shares(self) -> list[float]:
        """The green fleet's share of the requests after each step."""
        if self._rolling:
            step = self._part(self._rolling["MaximumBatchSize"])
        else:
            routing = self._policy["TrafficRoutingConfiguration"]
            if routing["Type"] == "ALL_AT_ONCE":
                return [1.0]
            if routing["Type"] == "CANARY":
                return [self._part(routing["CanarySize"]), 1.0]
            step = self._part(routing["LinearStepSize"])
        count = max(1, round(1 / step + 0.499))
        return [min(1.0, step * (number + 1)) for number in range(count)]

    def _part(self, size: dict[str, Any]) -> float:
        if size["Type"] == "CAPACITY_PERCENT":
            return float(size["Value"]) / 100
        count = sum(one.instances for one in self.green.variants if not one.shadow)
        return min(1.0, float(size["Value"]) / count)

    def _provision(self) -> None:
        if self._simulator.faults.take("capacity", "UpdateEndpoint"):
            self.roll_back(NO_CAPACITY)
        else:
            self._hosting.launch(self.green, self._provisioned)

    def _provisioned(self, failed: str | None) -> None:
        if self._over or self._going_back:
            return
        if failed is not None:
            self.roll_back(failed)
            return
        fault = self._simulator.faults.take("update_fails", "UpdateEndpoint")
        if fault is not None:
            self.roll_back(
                reason_of(fault, "Request to service failed. If failure persists, contact support.")
            )
            return
        self._watching = True
        self._shift(0)

    def _shift(self, step: int) -> None:
        share = self._steps[step]
        self._endpoint.route((1 - share, self.blue), (share, self.green))
        now = self._simulator.clock.now()
        self.green.mark("Baking", now)
        if share < 1:
            self.blue.mark("ActivatingTraffic", now)
        else:
            self.blue.mark(None, now)
        wait = self._rolling or self._policy["TrafficRoutingConfiguration"]
        self._later(timedelta(seconds=wait["WaitIntervalInSeconds"]), lambda: self._baked(step))
        self._show()
        self._look()

    def _baked(self, step: int) -> None:
        self._simulator.room(Alarms).evaluate()
        if self._going_back or self._over:
            return
        if step + 1 < len(self._steps):
            self._shift(step + 1)
        else:
            self.blue.mark("Deleting", self._simulator.clock.now())
            self._later(timedelta(seconds=self._policy.get("TerminationWaitInSeconds", 0)), self._done)
            self._show()

    def _done(self) -> None:
        endpoint = self._endpoint
        self._end()
        self.green.mark(None, self._simulator.clock.now())
        endpoint.fleet, endpoint.config_name = self.green, self.green.config_name
        endpoint.status = "InService"
        self._hosting.retire(endpoint, self.blue)
        self._show()

    def _rolled_back(self) -> None:
        if self._over:
            return
        endpoint = self._endpoint
        self._end()
        fault = self._simulator.faults.take("rollback_fails", "UpdateEndpoint")
        now = self._simulator.clock.now()
        self.blue.mark(None, now)
        if fault is not None:
            # "Your endpoint is in service with a mix of the old and new endpoint configurations":
            # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
            endpoint.status = "UpdateRollbackFailed"
            endpoint.reason = reason_of(fault, f"{endpoint.reason} The rollback failed, too.")
            self.green.mark(None, now)
            endpoint.leftover = self.green
            if all(one.container.port is not None for one in self.green.variants):
                endpoint.route((0.5, self.blue), (0.5, self.green))
        else:
            endpoint.status = "InService"
            self._hosting.retire(endpoint, self.green)
        self._show()

    def _out_of_time(self) -> None:
        self.roll_back(
            "The deployment did not finish within MaximumExecutionTimeoutInSeconds "
            f"({self._policy['MaximumExecutionTimeoutInSeconds']} seconds) and was rolled back."
        )

    def _look(self) -> None:
        """Go back if an alarm has rung."""
        if not self._watching:
            return
        ringing = self._simulator.room(Alarms).ringing(self._alarms)
        if ringing:
            self.roll_back(
                "One or more alarms configured for the deployment are in ALARM state, and the deployment was rolled "
                f"back: {', '.join(ringing)}."
            )

    def _later(self, delay: timedelta, action: Callable[[], None]) -> None:
        """What is still to do in so much time, unless it goes another way until then."""

        def act() -> None:
            if not (self._over or self._going_back):
                action()

        self._simulator.clock.schedule(delay, act)

    def _end(self) -> None:
        self._over, self._watching = True, False
        self._endpoint.deployment = None
        listeners = self._simulator.room(Alarms).listeners
        if self._look in listeners:
            listeners.remove(self._look)
