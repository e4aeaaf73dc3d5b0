"""NannyML beside decay.py, in an environment of its own: its versions of pandas and numpy are not ours.

Run as a script by that environment's Python, it imports nothing of this project:
``python decay_nannyml.py FOLDER`` reads ``known.parquet``, ``live.parquet`` and ``columns.json`` there and prints which
chunks alert, by calculator. Everything is at its defaults, a chunk is a day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

PACKAGES = ("nannyml==0.13.1", "statsmodels")
#: Days after which a calculator has the labels that it needs.
LABELS_LATE = 7
#: Of each: whether it waits for labels.
CALCULATORS = {
    "univariate, any column": False,
    "reconstruction error": False,
    "missing or unseen values": False,
    "CBPE of roc_auc": False,
    "CBPE of accuracy": False,
    "label drift": True,
    "realized roc_auc": True,
    "realized accuracy": True,
}
SCORE, LABEL, AT = "y_pred_proba", "late", "at"


def install(folder: Path) -> Path:
    """Make the environment; takes a minute or two. Its Python.

    :raises subprocess.CalledProcessError: if it can't be had.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]
    subprocess.run(install, check=True, capture_output=True)
    return python


def alerts(python: Path, folder: Path) -> dict[str, list[bool]]:
    """Run the calculators over the files in ``folder``, in the child process."""
    environment = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(python), str(Path(__file__).resolve()), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    found: dict[str, list[bool]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(folder: Path) -> None:
    """In the child: fit on the known days, look at the live ones, print the alerts."""
    import pandas as pd

    warnings.simplefilter("ignore")
    columns = json.loads((folder / "columns.json").read_text())
    known, live = (pd.read_parquet(folder / f"{name}.parquet") for name in ("known", "live"))
    for one in (known, live):
        one["y_pred"] = (one[SCORE] >= 0.5).astype(int)
        for name in columns["category"]:
            one[name] = one[name].astype("category")
    held = known[known[SCORE].notna()].reset_index(drop=True)
    names = [*columns["number"], *columns["category"]]
    found = {**_drift(known, held, live, names, columns["category"]), **_performance(held, live)}
    if list(found) != list(CALCULATORS):
        raise AssertionError(list(found))
    print(json.dumps(found))


def _drift(known, held, live, names, categories):
    """Of columns against all known days, of answers against the held-out ones."""
    import nannyml as nml

    days = {"timestamp_column_name": AT, "chunk_period": "D"}
    columns = nml.UnivariateDriftCalculator(column_names=names, **days)
    answers = nml.UnivariateDriftCalculator(column_names=[SCORE], **days)
    whole = nml.DataReconstructionDriftCalculator(column_names=names, **days)
    missing = nml.MissingValuesCalculator(column_names=names, **days)
    unseen = nml.UnseenValuesCalculator(column_names=categories, **days)
    return {
        "univariate, any column": _either(_alerts(columns, known, live), _alerts(answers, held, live)),
        "reconstruction error": _alerts(whole, known, live),
        "missing or unseen values": _either(_alerts(missing, known, live), _alerts(unseen, known, live)),
    }


def _performance(held, live):
    """Against the held-out days, estimated and with labels."""
    import nannyml as nml
    import pandas as pd

    model = {
        "problem_type": "classification_binary",
        "y_true": LABEL,
        "y_pred": "y_pred",
        "y_pred_proba": SCORE,
        "timestamp_column_name": AT,
        "chunk_period": "D",
    }
    found = {}
    for metric in ("roc_auc", "accuracy"):
        estimated = nml.CBPE(metrics=[metric], **model)
        found[f"CBPE of {metric}"] = _alerts(estimated, held, live.drop(columns=LABEL))
    labels = nml.UnivariateDriftCalculator(
        column_names=[LABEL], treat_as_categorical=[LABEL], timestamp_column_name=AT, chunk_period="D"
    )
    as_text = [one.assign(**{LABEL: pd.Categorical(one[LABEL].astype(str))}) for one in (held, live)]
    found["label drift"] = _alerts(labels, *as_text)
    for metric in ("roc_auc", "accuracy"):
        realized = nml.PerformanceCalculator(metrics=[metric], **model)
        found[f"realized {metric}"] = _alerts(realized, held, live)
    return found


def _alerts(calculator, reference, live):
    """Of each live chunk whether anything alerts."""
    calculator.fit(reference)
    part = "estimate" if hasattr(calculator, "estimate") else "calculate"
    table = getattr(calculator, part)(live).filter(period="analysis").to_df()
    flags = [one for one in table.columns if one[-1] == "alert"]
    return [bool(one) for one in table[flags].fillna(False).astype(bool).any(axis=1)]


def _either(one, other):
    return [a or b for a, b in zip(one, other, strict=True)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
