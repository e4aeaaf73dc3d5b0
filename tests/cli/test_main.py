"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_mlops import __version__
from airflow_mlops.cli.main import COMMANDS, main
from airflow_mlops.core.errors import SpecError

ROOT = Path(__file__).parent.parent.parent
SPEC = """
name: flight_delay
data: {source: "flights/*.parquet", event_time: departs_at, label: late}
features: {columns: [distance]}
evaluation: {gates: [{metric: auc, min: 0.6}]}
rollout: {canary: {gates: [{metric: error_rate, max: 0.01}]}}
"""


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"airflow-mlops {__version__} (Apache Airflow 3.")


def test_a_right_spec_is_one_line(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "check", str(spec_file)]) == 0
    assert capsys.readouterr().out == f"{spec_file}: spec of flight_delay is right\n"


@pytest.mark.parametrize(
    "text, named",
    [
        ("evaluation: {gates: [{metric: auc, min: 0.6}]}\n", "data"),
        (SPEC + "colour: blue\n", "colour"),
        ("- a list\n", ""),
        ("{not: [yaml\n", ""),
        ("", ""),
    ],
)
def test_a_wrong_spec_is_one_line_on_stderr_and_exit_code_2(
    spec_file: Path, text: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec_file.write_text(text)
    assert main(["spec", "check", str(spec_file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert named in err


def test_a_missing_spec_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "check", str(tmp_path / "nowhere.yaml")]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_schema_of_a_spec_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "schema"]) == 0
    assert "rollout" in json.loads(capsys.readouterr().out)["properties"]


def test_a_folder_store_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "probe", str(tmp_path / "store")]) == 0
    assert "one of many writers wins" in capsys.readouterr().out


def test_a_place_that_is_no_store_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "probe", "gs://bucket"]) == 2
    assert "gs://bucket" in capsys.readouterr().err


def test_serving_beyond_loopback_without_a_token_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_MLOPS_ENDPOINT_TOKEN", raising=False)
    store, spool = str(tmp_path / "store"), str(tmp_path / "spool")
    arguments = ["serve", "--store", store, "--host", "0.0.0.0", "--port", "0", "--spool", spool]
    assert main(arguments) == 2
    assert "token" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["spec"], ["store"], ["nonsense"]])
def test_what_is_no_command_shows_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: airflow-mlops" in capsys.readouterr().err


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("airflow_mlops.cli.version.run", interrupted)
    assert main(["version"]) == 130


def test_a_reader_that_leaves_is_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} -m airflow_mlops.cli spec schema | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom airflow_mlops.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'airflow', 'pydantic', 'numpy', 'starlette', 'uvicorn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in COMMANDS:
        assert f"\n    {command}" in done.stdout


def _airflow(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Airflow's own command, with its parser and all."""
    return subprocess.run(
        [sys.executable, "-m", "airflow", "mlops", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
    )


def test_airflow_offers_the_same_commands(tmp_path: Path) -> None:
    help_text = _airflow("--help").stdout
    for command in COMMANDS:
        assert command in help_text
    wrong = _airflow("spec", "check", str(tmp_path / "nowhere.yaml"))
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in wrong.stderr


def test_every_command_is_wrapped_for_airflow() -> None:
    import argparse

    from airflow_mlops.cli.definition import get_mlops_cli_commands, run_in_airflow

    (command,) = get_mlops_cli_commands()
    parser = argparse.ArgumentParser()
    for argument in command.args:
        argument.add_to_parser(parser)
    parsed = parser.parse_args(["spec", "check", "x.yaml"])
    assert parsed.func is run_in_airflow

    def mistaken(arguments: argparse.Namespace) -> int:
        raise SpecError("no")

    parsed.mlops_func = mistaken
    with pytest.raises(SystemExit) as caught:
        run_in_airflow(parsed)
    assert caught.value.code == 2
