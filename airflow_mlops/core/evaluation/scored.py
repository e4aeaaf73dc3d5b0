"""The labelled held-out rows with both models' predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.evaluation.metrics import measure

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Scored:
    """Rows, their labels, and the scores of the challenger and of its rival, the champion, if there is one."""

    frame: pd.DataFrame
    labels: NDArray[np.float64]
    scores: NDArray[np.float64]
    rival: NDArray[np.float64] | None
    rival_version: int | None

    def where(self, mask: NDArray[np.bool_]) -> Scored:
        """The rows of a slice."""
        rival = None if self.rival is None else self.rival[mask]
        return Scored(self.frame[mask], self.labels[mask], self.scores[mask], rival, self.rival_version)

    def measure(self, objective: str) -> tuple[dict[str, float], dict[str, float] | None]:
        """Metrics of the challenger, and of the champion if there is one."""
        ours = measure(objective, self.labels, self.scores)
        return ours, None if self.rival is None else measure(objective, self.labels, self.rival)
