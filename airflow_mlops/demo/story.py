"""The story of the demo: seven acts, each driven through the Airflow REST API under live traffic."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.record import utc_now
from airflow_mlops.demo.flights import break_batch, month_of
from airflow_mlops.demo.rest import Airflow, OpenQuestion, Run, Task
from airflow_mlops.demo.traffic import Traffic

if TYPE_CHECKING:
    from airflow_mlops.demo.grounds import Grounds

MODEL = "flight_delay"
#: Overrides that make act (d): features that are in the data, but that no live request knows.
LEAKY = {
    "features": {
        "columns": [
            *("departure", "carrier", "origin", "dest", "distance"),
            *("temp", "humid", "wind_speed", "precip", "pressure", "visib", "dep_delay"),
        ],
        "function": "flight_delay_features:features_with_departure_delay",
    }
}
#: The same flights are asked about before and after retraining, so that the two can be compared.
DECEMBER: dict[str, Any] = {"limit": 3000, "order": "december"}
#: Seconds in which a person reads what is asked. Airflow may fail a task that goes on within about one second.
_TO_READ = 3.0
Say = Callable[[str], None]
#: A person's yes to a question, in any way that Airflow offers.
Approve = Callable[[OpenQuestion], object]


def _log_loss(look: Mapping[str, Any], kind: str) -> str:
    """A look's log loss in words, e.g. ``log loss of version 1 0.512 estimated``."""
    found = look[kind].get("log_loss")
    if found is None:
        raise DemoFailed(f"the monitor has no {kind} log loss", given=look["said"])
    return f"log loss of version {look['champion']} {found['value']:.3f} {kind}"


class DemoFailed(MlopsError):
    """The demo did not go as its story says."""


@dataclass(frozen=True)
class Act:
    """What happened in one act.

    :param letter: a to g.
    :param title: what was tried.
    :param outcome: what came of it, in a few words.
    :param why: the reason that the system gave.
    :param seconds: how long it took.
    :param result: what the runs returned.
    """

    letter: str
    title: str
    outcome: str
    why: str
    seconds: float
    result: Mapping[str, Any] = field(default_factory=dict)


class Story:
    """Plays the acts in order against a running Airflow and endpoint.

    :param airflow: client of the Airflow that holds the DAGs of ``dags/``.
    :param grounds: where batches arrive and requests are answered.
    :param say: where lines of progress go.
    :param rate: requests per second of the live traffic.
    :param approve: how the first release is approved; through REST without it.
    """

    def __init__(
        self,
        airflow: Airflow,
        grounds: Grounds,
        say: Say,
        *,
        rate: float = 150.0,
        approve: Approve | None = None,
    ) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._airflow = airflow
        self._grounds = grounds
        self._say = say
        self._rate = rate
        self._approve = approve or self._approve_by_rest
        self._turns = 0

    def prepare(self) -> None:
        """Wait until Airflow knows the DAGs."""
        for name in ("release", "monitor", "rollout", "rollback", "reproduce"):
            self._airflow.wait_for_dag(f"{MODEL}.{name}", timeout=300)

    def first_release(self) -> Act:
        """(a) The flights of January to June make the first champion, after a person has said yes."""
        start = time.monotonic()
        for month in range(1, 7):
            self._grounds.deliver(month_of(month), month)
        run = self._airflow.trigger(f"{MODEL}.release")
        question = self._wait_for_question(run)
        self._say(f"   {question.subject}")
        time.sleep(_TO_READ)
        self._approve(question)
        result = self._finish(run, "conclude", "success")
        self._expect(result, outcome="promoted", champion=1)
        why = "no rival yet: the gates of the evaluation and a person decided"
        return self._act("a", "release on January-June", "version 1 is the champion", why, result, start)

    def broken_batch(self) -> Act:
        """(b) A broken July is stopped by validation, and its bad rows are put aside."""
        start = time.monotonic()
        self._grounds.deliver(break_batch(month_of(7)), 7)
        with self._traffic(7):
            result = self._release("failed")
        self._expect(result, outcome="refused", task="validate", champion=1)
        outcome = f"stopped, {result['quarantined_rows']:,} rows in quarantine"
        told = self._airflow.xcom(f"{MODEL}.release", str(result["run_id"]), "validate", key="validation")
        why = "expectations fail on " + ", ".join(name.rsplit(" on ", 1)[-1] for name in told["failed"])
        return self._act("b", "a broken batch arrives", outcome, why, result, start)

    def good_release(self) -> Act:
        """(c) January to August goes through shadow and canary and is promoted."""
        start = time.monotonic()
        for month in (7, 8):
            self._grounds.deliver(month_of(month), month)
        with self._traffic(9):
            result = self._release("success")
        self._expect(result, outcome="promoted", champion=2)
        why = "shadow and each canary step passed every gate"
        return self._act("c", "release on January-August", "version 2 is promoted", why, result, start)

    def bad_release(self) -> Act:
        """(d) A model that shone offline is stopped by what live requests show; the champion keeps serving."""
        start = time.monotonic()
        with self._traffic(10):
            result = self._release("failed", {"overrides": LEAKY})
        self._expect(result, outcome="refused", version=3, champion=2)
        if not str(result["task"]).startswith("rollout."):
            raise DemoFailed("the bad model was stopped in the wrong place", given=result["task"])
        stage = str(result["task"]).removeprefix("rollout.judge_")
        why = (
            f"{result['gate']} is {result['value']:.3f}, allowed is {result['limit']} worse than the champion"
        )
        return self._act("d", "a model that only shines offline", f"stopped in {stage}", why, result, start)

    def roll_back(self) -> Act:
        """(e) One REST call goes back to the previous version."""
        start = time.monotonic()
        with self._traffic(10):
            result = self._run(f"{MODEL}.rollback", "rollback", "success", {"reason": "demo"})
        self._expect(result, champion=1, mode="champion")
        why = "one entry in the deployment log, one reconcile"
        return self._act("e", "one REST call", "version 1 answers again", why, result, start)

    def drift(self) -> Act:
        """(f) December drifts; the monitor says what that costs and asks for retraining, and Airflow starts it."""
        start = time.monotonic()
        for month in (9, 10, 11):
            self._grounds.deliver(month_of(month), month)
        known = {run.run_id for run in self._airflow.runs(f"{MODEL}.release")}
        with self._traffic(12, **DECEMBER, late=True) as asked:
            period = self._period(asked)
            with self._traffic(12):
                found = self._look(period)
                self._expect(found, champion=1, retrain=True)
                self._say(f"   drift in {', '.join(found['columns'])}: {_log_loss(found, 'estimated')}")
                run = self._wait_for_release(known)
                self._say(f"   Airflow started {run.run_id} by itself; now the labels come")
                asked.tell_truth()
                measured = self._look(period)
                self._expect(measured, champion=1, retrain=False)
                self._say(f"   {_log_loss(measured, 'measured')}; {measured['said']}")
                result = self._finish(run, "conclude", "success")
        self._expect(result, outcome="promoted", version=4, champion=4)
        with self._traffic(12, **DECEMBER) as asked:
            period = self._period(asked)
        after = self._look(period)
        self._expect(after, champion=4)
        self._say(f"   the same flights again: {_log_loss(after, 'measured')}")
        looks = {"estimated": found, "measured": measured, "after": after}
        told = {**result, "columns": found["columns"], "kind": run.kind, "looks": looks}
        why = f"drift in {', '.join(found['columns'])}"
        return self._act("f", "December drifts", "retrained, version 4 is promoted", why, told, start)

    def build_again(self) -> Act:
        """(g) The champion of act (c) is trained again from its record, and comes out byte for byte."""
        start = time.monotonic()
        result = self._run(f"{MODEL}.reproduce", "reproduce", "success", {"version": 2})
        self._expect(result, version=2, outcome="identical")
        why = f"model file {result['artifact'][:12]} twice, from the record alone"
        return self._act("g", "version 2 is built again", "the same bytes", why, result, start)

    @staticmethod
    def _period(traffic: Traffic) -> dict[str, str]:
        """Wait for the end of a traffic; what the monitor is told to look at: its requests, and no others."""
        traffic.finish()
        until = utc_now()
        return {"until": until.isoformat(), "window": f"{(until - traffic.begun).total_seconds():f}s"}

    def _look(self, period: Mapping[str, str]) -> dict[str, Any]:
        return self._run(f"{MODEL}.monitor", "decide", "success", period)

    @contextmanager
    def _traffic(self, month: int, **how: Any) -> Iterator[Traffic]:
        """Live requests for the flights of a month, their answers added to the sums."""
        self._turns += 1
        name = f"m{month}-{self._turns}"
        with self._grounds.traffic(month_of(month), name=name, rate=self._rate, **how) as traffic:
            yield traffic
        self.answers.update(traffic.answers)
        self.failures.update(traffic.failures)

    def _release(self, state: str, conf: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._run(f"{MODEL}.release", "conclude", state, conf)

    def _run(
        self, dag_id: str, task_id: str, state: str, conf: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Trigger a DAG, wait for its end, and return the result of one of its tasks."""
        return self._finish(self._airflow.trigger(dag_id, conf), task_id, state)

    def _finish(self, run: Run, task_id: str, state: str) -> dict[str, Any]:
        ended = self._airflow.wait_for_run(run.dag_id, run.run_id, timeout=600, progress=self._task_changed)
        if ended.state != state:
            raise DemoFailed(
                f"{run.dag_id} {run.run_id} ended otherwise than told",
                given=f"{ended.state}; {self._blame(run)}",
                expected=state,
            )
        result = dict(self._airflow.xcom(run.dag_id, run.run_id, task_id))
        return {"run_id": run.run_id, **result}

    def _blame(self, run: Run) -> str:
        """The last lines of the first task that failed."""
        failed = [task for task in self._airflow.tasks(run.dag_id, run.run_id) if task.state == "failed"]
        if not failed:
            return "no task failed"
        log = self._airflow.log(run.dag_id, run.run_id, failed[0].task_id, try_number=failed[0].try_number)
        return f"{failed[0].task_id}: " + " / ".join(log.splitlines()[-5:])

    def _task_changed(self, task: Task) -> None:
        if task.state in ("success", "failed", "skipped"):
            took = f" ({task.seconds:.1f} s)" if task.seconds else ""
            self._say(f"   {task.task_id}: {task.state}{took}")

    def _approve_by_rest(self, question: OpenQuestion) -> None:
        self._airflow.decide(question, "Approve", "every gate passed; nothing serves yet")

    def _wait_for_question(self, run: Run, timeout: float = 300.0) -> OpenQuestion:
        """The question that a release asks people."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for question in self._airflow.open_questions(run.dag_id, run.run_id):
                return question
            if self._airflow.run(run.dag_id, run.run_id).finished:
                raise DemoFailed(f"{run.dag_id} ended and asked nobody", given=self._blame(run))
            time.sleep(0.5)
        raise DemoFailed("the release asked nobody", given=f"{timeout:.0f} s")

    def _wait_for_release(self, known: set[str], timeout: float = 300.0) -> Run:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for run in self._airflow.runs(f"{MODEL}.release"):
                if run.run_id not in known:
                    return run
            time.sleep(0.5)
        raise DemoFailed("Airflow did not start a release on the retrain asset", given=f"{timeout:.0f} s")

    def _expect(self, result: Mapping[str, Any], **expected: Any) -> None:
        wrong = {name: result.get(name) for name, value in expected.items() if result.get(name) != value}
        if wrong:
            raise DemoFailed("the demo went otherwise than told", given=dict(result), expected=expected)

    def _act(
        self, letter: str, title: str, outcome: str, why: str, result: Mapping[str, Any], start: float
    ) -> Act:
        act = Act(letter, title, outcome, why, time.monotonic() - start, result)
        self._say(f"({letter}) {title}: {outcome} ({act.seconds:.0f} s)")
        return act
