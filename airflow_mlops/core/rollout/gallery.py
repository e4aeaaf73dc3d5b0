"""Where the pictures of verdicts lie: a file that a browser opens, beside the model's logs."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import KeyExists
from airflow_mlops.core.rollout.picture import draw

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.trace import Trace
    from airflow_mlops.core.rollout.verdict import Verdict
    from airflow_mlops.core.store import Store


def with_picture(store: Store, model: str, version: int, verdict: Verdict, trace: Trace | None) -> Verdict:
    """Draw the evidence behind a decision, keep the picture and name it in the verdict.

    While more data may decide, and where nothing was seen, there is nothing to keep.
    """
    if (
        verdict.decision == "CONTINUE"
        or not verdict.gates
        or trace is None
        or not (trace.points or trace.series)
    ):
        return verdict
    data = draw(trace, verdict, f"{model} version {version}: {verdict.decision} in {verdict.stage}")
    name = hashlib.sha256(data).hexdigest()[:12]
    key = f"models/{model}/pictures/v{version}-{verdict.stage}-{name}.svg"
    with suppress(KeyExists):  # the same picture, of a task that died and runs again
        store.create(key, data)
    return verdict.model_copy(update={"picture": key})
