"""The picture of a metric over the periods."""

from __future__ import annotations

import re
from datetime import timedelta

from airflow_mlops.core.monitoring.performance.chart import metric_over_time
from airflow_mlops.core.monitoring.performance.report import PeriodPerformance, Value
from tests.core.monitoring.looked import START


def test_ticks_of_periods_that_come_in_bursts_stand_apart() -> None:
    minutes = (0, 1, 2, 3, 600, 601, 602)
    periods = [
        PeriodPerformance(
            since=START + timedelta(minutes=at),
            until=START + timedelta(minutes=at + 1),
            champion=1,
            rows=10,
            labelled=10,
            measured={"auc": Value(value=0.7)},
        )
        for at in minutes
    ]
    drawn = metric_over_time("auc", periods, None, ())
    dates = [float(x) for x in re.findall(r'<text x="([\d.]+)"[^>]*>\d\d \w{3} \d\d:\d\d<', drawn)]
    assert len(dates) == 2
    assert dates[1] - dates[0] > 90
