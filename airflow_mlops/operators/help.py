"""What Airflow's page of a task says about it: what it does, what it returns, and what to do when it fails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final


@dataclass(frozen=True)
class Help:
    """Three paragraphs of Markdown. They name nothing from data, so that nothing from data is Markdown."""

    does: str
    returns: str
    fails: str

    def as_markdown(self) -> str:
        """The text of the page."""
        return f"{self.does}\n\n**Returns** {self.returns}\n\n**When it fails** {self.fails}\n"


_VERSION = "a dataset version: `dataset`, `id`, `rows`, `files`, `first_event`, `last_event`."
_UNTOUCHED = "The champion keeps serving. Mend the cause and trigger a new run."
_SERVED = "what serves: `model`, `champion`, `mode` and the `entry` of the deployment log."
_ENDPOINT = (
    "the endpoint did not follow the deployment log; the last line of its log says why. Clear the task once the "
    "endpoint is up: what was decided stands in the log, and is not done twice."
)
_ALERT = Help(
    "Tells people what they should know: once for each cause, and again when it is over.",
    "kinds of alerts: `sent`, `resolved`, `unsent`, `quiet` (known already).",
    "the store or the connection can't be reached. A notifier that fails is told in the log and fails nothing.",
)

#: By the name of the operator's class.
HELP: Final[dict[str, Help]] = {
    "SnapshotOperator": Help(
        "Pins the source data: exact bytes, by content hash or by the versions of the objects. The same bytes give the "
        "same id.",
        _VERSION,
        f"the source can't be read, or the window has no row; the last line of the log says which. {_UNTOUCHED}",
    ),
    "JoinOperator": Help(
        "Adds the columns of `data.joins` to the rows; no row sees its future.",
        _VERSION,
        f"a joined source lacks a column, or can't be read; the log names it. {_UNTOUCHED}",
    ),
    "ApplyReviewOperator": Help(
        "Applies the labels that people have corrected.",
        _VERSION,
        "a reviewed file names rows that are not in the data, or has another form; the log names file and line. Mend "
        "the file and clear the task.",
    ),
    "ProtectOperator": Help(
        "Looks for personal and secret data, and does what `privacy` of the spec says: warn, block, drop or hash.",
        f"{_VERSION} XCom `findings` has what was found, masked.",
        "a column is blocked, and the log names it. Take it out of the source, or say in the spec what is to be done "
        f"with it. {_UNTOUCHED}",
    ),
    "ValidateOperator": Help(
        "Tests the data by the expectations of the spec. Bad rows go to quarantine.",
        "`success`, the names of what `failed` or was a warning, `dropped_rows` and `quarantined_rows`. XCom `dataset` "
        "is what goes on.",
        f"the data broke an expectation. Open the Data Docs: they show which, with examples. {_UNTOUCHED}",
    ),
    "LeakageOperator": Help(
        "Looks for features that know the outcome, or that change when the future is cut off.",
        "`passed`, the `leaks`, and the `strongest` feature with its `auc`.",
        "a feature leaks; the log names it and how strongly. Leave it out of `features.columns`, or mend the feature "
        "code. " + _UNTOUCHED,
    ),
    "AuditLabelsOperator": Help(
        "Looks for label errors in the training part, and writes a file for people to review.",
        "the number of `suspects`, the estimated `error_rate`, and `review`, the hash of the file.",
        "more labels are wrong than `labels.max_error_rate`. Review the file of `airflow-mlops labels export`, put it "
        "where `labels.review` says, and trigger a new run.",
    ),
    "TrainOperator": Help(
        "Fits the model, here or in a job on SageMaker. The same data, spec and seed give the same bytes.",
        "`ref` and `artifact` of the model, its `rows`, `rounds` and `seconds`.",
        "the log's last line says why; a job on SageMaker has its own log behind the button *Training job*. Lost "
        f"machines are tried again by themselves. {_UNTOUCHED}",
    ),
    "EvaluateOperator": Help(
        "Scores the new model and the champion on the same held-out rows, and holds the gates of the spec against "
        "them.",
        "the `metrics`, those of the `champion`, and `page`, the hash of the report.",
        f"a gate refused, and the log names it with value and limit. The evaluation report shows where. {_UNTOUCHED}",
    ),
    "RegisterOperator": Help(
        "Gives the model a version number and a record of all that it was made of.",
        "`model` and `version`.",
        "the model card lacks something that the spec requires, or the store can't be written; the log says which. A "
        "retry finds the version of the first try.",
    ),
    "BeginReleaseOperator": Help(
        "Checks what the release relies on, and pins the spec for the whole run.",
        "the effective spec.",
        "a mistake in the form or in `conf`, in the spec or in the connection, or another release is in progress; the "
        "log names it. Nothing has been changed.",
    ),
    "ApproveOperator": Help(
        "Asks people whether the version may meet live requests, and waits for them without a worker. Answer under "
        "*Required Actions* of the run.",
        "`outcome`, `reason` and the `answers`.",
        "somebody said no, or nobody answered in time. The champion keeps serving; a new release asks again.",
    ),
    "ReplayOperator": Help(
        "Lets the version answer requests that the champion has answered before, and judges the pairs. No traffic is "
        "touched.",
        "the verdict: `decision`, `stage`, `reason`.",
        f"a gate failed or stayed undecided; the log says which, and what would decide. {_UNTOUCHED}",
    ),
    "ChallengeOperator": Help(
        "Brings the version into shadow, or gives it a share of the requests, and proves that the endpoint serves it "
        "so. Skipped when there is no champion to compare with.",
        "`version`, `weight` and the `entry` of the deployment log.",
        f"the endpoint can't serve the version, or another release is in progress; the log says which. {_UNTOUCHED}",
    ),
    "RolloutSensor": Help(
        "Waits, without a worker, until the judge has decided on the version from live traffic. The page *Model* shows "
        "how far it is.",
        "the verdict: `decision`, `stage`, `reason`.",
        "a gate failed, stayed undecided to the end, or somebody took the version out; the log names gate, value and "
        f"limit. {_UNTOUCHED}",
    ),
    "PromoteOperator": Help(
        "Makes the version the champion, if every stage said so, and proves that it serves.",
        "`model`, `version` and the `entry` of the deployment log.",
        _ENDPOINT,
    ),
    "ConcludeReleaseOperator": Help(
        "Ends the release, however it went: a challenger that still has a place leaves, and the champion is proved.",
        "how the release ended: `outcome`, `version`, `champion`, and `task`, `gate`, `value`, `limit`, `reason` of "
        "what refused it.",
        _ENDPOINT,
    ),
    "RolloutControlOperator": Help(
        "Holds, resumes or aborts the rollout in progress.",
        "what serves then: `action`, `champion`, `challenger`, `weight`, `held`, `until`.",
        f"no rollout is in progress, or {_ENDPOINT}",
    ),
    "RollbackOperator": Help(
        "Goes back to the champion before, to a named version, or to the fallback rule. Any rollout ends.",
        _SERVED,
        f"there is no such version (the log says which there are), or {_ENDPOINT}",
    ),
    "ReconcileOperator": Help(
        "Brings the endpoint to the newest entry of the deployment log, and proves it.", _SERVED, _ENDPOINT
    ),
    "HealOperator": Help(
        "Brings the endpoint to the deployment log and proves it. A champion that can't answer is replaced by an older "
        "one, or by the fallback rule.",
        f"{_SERVED[:-1]}, and whether it is `healthy`, `switched`, and why.",
        _ENDPOINT,
    ),
    "TakeInOperator": Help(
        "Joins what was captured since the last look, and the labels that came, to the table of answers.",
        "the period: `since`, `until`, `champion`.",
        "the captures or the labels can't be read; the log names the file. Clear the task: nothing is taken in twice.",
    ),
    "DriftOperator": Help(
        "Compares live traffic with the data that the champion learned from.",
        "`outcome`, the `share` of drifted columns, and which `columns`.",
        "the report could not be made; drift itself fails nothing. The log says why. Traffic is not touched.",
    ),
    "PerformanceOperator": Help(
        "Measures how well the champion did where labels have come, and estimates it where they have not.",
        "`measured` and `estimated` metrics, the `baseline`, and `failed_gates`.",
        "the report could not be made; a decay itself fails nothing. The log says why. Traffic is not touched.",
    ),
    "DecideOperator": Help(
        "Holds the retrain policy against the reports, and writes the look down.",
        "the look: `retrain`, `reasons`, and the numbers behind them.",
        "the look could not be written down; the log says why. Clear the task: a retry finds its own look.",
    ),
    "RequestRetrainingOperator": Help(
        "Asks for retraining by an event of the retrain asset, which starts a release. Skipped without a reason.",
        "nothing; the event carries the reasons.",
        "the store can't be reached. Clear the task: nobody is asked twice for one look.",
    ),
    "SkewOperator": Help(
        "Computes the features of captured requests again on the training path.",
        "`outcome`, and how many `requests` and `features` were compared.",
        "training and serving disagree; the log names the features. Find out what changed, and release again.",
    ),
    "PruneOperator": Help(
        "Removes dataset versions that the retention of the spec lets go, and what nothing names any more.",
        "what was `removed`, and `removed_bytes`.",
        "the store can't be changed; the log says why. What a kept model refers to is never removed.",
    ),
    "SnapshotScoringOperator": Help(
        "Pins the rows of the period that are to be predicted. Skipped when there is none.",
        f"{_VERSION[:-1]}, and the period.",
        "the source can't be read; the log says why. Clear the task.",
    ),
    "ScoreOperator": Help(
        "Predicts the rows with the champion of their time, and writes the predictions by day. The same rows are "
        "predicted once.",
        "`version`, `rows`, what was `set_aside`, and the `partitions`.",
        "nothing was recorded; the log says why. Clear the task.",
    ),
    "BatchTransformOperator": Help(
        "Predicts the rows of a dataset version by a batch transform job on SageMaker.",
        "`prefix` of the predictions, `version` and `rows`.",
        "the job failed; the log has its reason. Clear the task: it begins a new job.",
    ),
    "EraseOperator": Help(
        "Finds a person in everything that the store holds of the model, and takes the rows out.",
        "what was found and `erased`, what is `left`, and the `dataset` to release with.",
        "run it again: it goes on where it stopped.",
    ),
    "ReproduceOperator": Help(
        "Builds a version again from its record, and compares the bytes. Nothing is deployed.",
        "`outcome` (`identical`, `equal`, `different`, `impossible`) and `reason`.",
        "the version did not come out the same, or something that it was made of is gone; the log names what.",
    ),
    "LookAlertOperator": _ALERT,
    "ReleaseAlertOperator": _ALERT,
    "RollbackAlertOperator": _ALERT,
}


@cache
def help_of(kind: type) -> str | None:
    """The text for an operator, its own or that of the class it was made from; None for a class that has none."""
    return next((HELP[one.__name__].as_markdown() for one in kind.__mro__ if one.__name__ in HELP), None)
