"""``airflow-mlops labels export``: the file of an audit, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.labels.audit import audit
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.results import keep
from tests.core.labels.world import flipped, labels_spec, orders
from tests.core.training.world import make_version


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A store's folder, and the reference of an audit in it."""
    folder = tmp_path_factory.mktemp("labels")
    store, spec = open_store(str(folder / "store")), labels_spec(max_suspects=30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        patch.setattr("airflow_mlops.core.labels.audit.families", lambda categorical, seed: ())
        result = audit(store, spec, make_version(store, folder / "data", flipped(orders())[0], spec))
    return str(folder / "store"), keep(store, result)


@pytest.mark.parametrize("name", ["review.csv", "review.parquet"])
def test_the_file_is_written_once(
    audited: tuple[str, str], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store, ref = audited
    out = tmp_path / name
    assert main(["labels", "export", "orders", ref, "--store", store, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: 30 rows of orders@")
    assert len(said.splitlines()) == 1
    frame = pd.read_csv(out) if name.endswith("csv") else pd.read_parquet(out)
    assert len(frame) == 30
    assert {"corrected_label", "reviewed_by", "comment", "score", "amount"} <= set(frame.columns)
    before = out.read_bytes()
    assert main(["labels", "export", "orders", ref, "--store", store, "--out", str(out)]) == 2
    assert "is there already; choose another name" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "model, ref, out, says",
    [
        ("orders", None, "review.xlsx", "ends in .csv or .parquet"),
        ("flights", None, "review.csv", "audit is of another model; given flights; expected orders"),
        ("orders", "0" * 64, "review.csv", "nothing is stored under"),
        ("orders", "soon", "review.csv", "not the hash of a blob"),
        ("orders", None, "missing/review.csv", "can't be written"),
    ],
)
def test_mistakes_are_one_line(
    audited: tuple[str, str],
    tmp_path: Path,
    model: str,
    ref: str | None,
    out: str,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, known = audited
    assert (
        main(["labels", "export", model, ref or known, "--store", store, "--out", str(tmp_path / out)]) == 2
    )
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1
