from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.monitoring.importance import ColumnImportance, column_importance


class Answers:
    """Answers with two of its columns, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.trained = self
        self.signature = self
        self.inputs = [self._input(name) for name in ("strong", "weak", "unused", "at")]

    @staticmethod
    def _input(name):
        return type("Input", (), {"name": name})()

    def predict_frame(self, frame):
        self.asked += 1
        assert str(frame["at"].dtype) == "datetime64[ns, UTC]"
        return (0.3 * frame["strong"] + 0.1 * frame["weak"] + 0.001 * frame["at"].dt.hour).to_numpy()


def rows(n):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(n, 3)), columns=["strong", "weak", "unused"])
    return frame.assign(at=pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC"), label=1.0)


def test_columns_weigh_by_how_far_they_move_the_answers():
    model = Answers()
    found = column_importance(model, rows(9000))
    assert (found.rows, model.asked) == (2000, 5)
    assert found.columns["strong"] / found.columns["weak"] == pytest.approx(3, rel=0.1)
    assert 0 < found.columns["at"] < found.columns["weak"]
    assert found.columns["unused"] == 0.0
    assert column_importance(Answers(), rows(9000)) == found


def test_without_rows_nothing_weighs():
    assert column_importance(Answers(), rows(0)) == ColumnImportance(
        columns=dict.fromkeys(("strong", "weak", "unused", "at"), 0.0), rows=0
    )
