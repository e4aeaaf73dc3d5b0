import math

import numpy as np
import pytest
import rivalry
from streams import CHANGES, NO_CHANGE


def always(stream, plan):
    return 99


def never(stream, plan):
    return None


def test_every_decider_meets_the_same_runs_in_every_process():
    scenarios = [NO_CHANGE["steady 2 %"], CHANGES["errors 1 -> 10 %"]]
    deciders = {"always": always, "never": never, "again": always}
    cells = list(rivalry.play(45, deciders, scenarios))
    assert [(cell.decider, cell.scenario.name, len(cell.exposed)) for cell in cells[:3]] == [
        ("always", "steady 2 %", 45),
        ("never", "steady 2 %", 45),
        ("again", "steady 2 %", 45),
    ]
    first, none, again = cells[:3]
    assert (first.requests == 100).all()
    assert first.exposed.mean() == pytest.approx(10, abs=3)
    assert np.array_equal(first.exposed, again.exposed)
    assert none.stopped == 0
    assert math.isinf(none.median)
    expected = [np.count_nonzero(scenarios[0].stream(rivalry.SEED, run).arm[:100]) for run in (0, 44)]
    assert [first.exposed[0], first.exposed[44]] == expected
    assert len(cells[3].exposed) == 20
    table = rivalry.matrix(cells, changed=False)
    assert table.splitlines()[0] == "| good model stopped | steady 2 % |"
    assert "| always | 100.0 % |" in table
    assert "| never | never (0 %) |" in rivalry.matrix(cells, changed=True)


def test_a_cell_says_how_many_were_stopped_and_when():
    scenario = CHANGES["errors 1 -> 10 %"]
    exposed = np.array([10.0, 20.0, 30.0, math.inf])
    line = rivalry.Cell("one", scenario, exposed * 10, exposed).measure()
    assert line.value == 30
    assert "stopped in 75%" in line.note
    mostly = rivalry.Cell("one", scenario, exposed, np.array([10.0, math.inf, math.inf, math.inf]))
    assert math.isinf(mostly.median)
    good = rivalry.Cell("one", NO_CHANGE["steady 2 %"], exposed, exposed).measure()
    assert good.value == 0.75
    assert good.limit is None
