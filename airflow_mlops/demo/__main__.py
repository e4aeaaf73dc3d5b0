"""``python -m airflow_mlops.demo``: the whole story on this machine, in a few minutes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.table import Table

import airflow_mlops
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.demo.processes import exit_on_sigterm
from airflow_mlops.demo.stage import Stage, raised
from airflow_mlops.demo.story import Act, DemoFailed, Story


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo; return the exit code: 0 when everything went as told, 1 otherwise, 130 when interrupted."""
    options = _options().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    home = options.home or Path(tempfile.mkdtemp(prefix="airflow-mlops-demo-"))
    try:
        with exit_on_sigterm():
            return _play(console, home, options)
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    except MlopsError as error:
        console.print(f"error: {error}", markup=False, style="red")
        console.print(f"logs lie in {home}/processes and {home}/logs", markup=False)
        return 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_mlops.demo",
        description="Release, refuse, roll back and retrain a real model.",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave Airflow and the endpoint running at the end"
    )
    parser.add_argument("--home", type=Path, help="folder for everything; a new temporary one without it")
    parser.add_argument(
        "--sagemaker",
        action="store_true",
        help="the same story on the simulator of SageMaker; AWS_ENDPOINT_URL_S3 and keys name an S3 server",
    )
    parser.add_argument("--rate", type=float, default=150.0, help="live requests per second (default: 150)")
    return parser


def _play(console: Console, home: Path, options: argparse.Namespace) -> int:
    start = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - start:5.0f} s[/dim]  ", end="")
        console.print(line, markup=False)

    say(f"starting Airflow and the endpoint below {home}")
    with _raised(home, sagemaker=options.sagemaker) as stage:
        say(f"Airflow at {stage.airflow.url}, endpoint at {stage.endpoint}")
        story = Story(stage.airflow.rest, stage.grounds, say, rate=options.rate)
        story.prepare()
        acts = [
            play()
            for play in (
                story.first_release,
                story.broken_batch,
                story.good_release,
                story.bad_release,
                story.roll_back,
                story.drift,
                story.build_again,
            )
        ]
        _close(console, stage, story, acts, time.monotonic() - start)
        if story.failures:
            raise DemoFailed("some live requests failed", given=dict(story.failures), expected="none")
        if options.keep:
            _wait(console, stage)
    return 0


def _raised(home: Path, *, sagemaker: bool) -> AbstractContextManager[Stage]:
    if not sagemaker:
        return raised(home, _dags())
    from airflow_mlops.demo.aws_stage import S3Access, raised_on_aws

    return raised_on_aws(home, _dags(), S3Access.from_environment())


def _dags() -> Path:
    """The DAG files of the example: shipped in the wheel, or beside the package in a checkout."""
    shipped = Path(str(files(airflow_mlops))) / "example_dags"
    return shipped if shipped.is_dir() else Path(airflow_mlops.__file__).parent.parent / "dags"


def _close(console: Console, stage: Stage, story: Story, acts: Sequence[Act], seconds: float) -> None:
    table = Table(title="What happened", show_lines=True)
    for column in ("", "act", "outcome", "why", "seconds"):
        table.add_column(column, justify="right" if column == "seconds" else "left", overflow="fold")
    for act in acts:
        table.add_row(act.letter, act.title, act.outcome, act.why, f"{act.seconds:.0f}")
    console.print(table)
    console.print(_retraining(next(act for act in acts if act.letter == "f")))
    answered = ", ".join(f"{variant} {count:,}" for variant, count in sorted(story.answers.items()))
    console.print(f"requests answered: {answered}; failed: {sum(story.failures.values())}")
    console.print(f"store     {stage.store}", markup=False)
    console.print(f"lineage   {stage.lineage}", markup=False)
    console.print(f"task logs {stage.home / 'logs'}", markup=False)
    if not stage.store.startswith("s3://"):
        console.print(f"proof     python -m airflow_mlops.demo.proof {stage.store}", markup=False)
    console.print(f"all seven acts went as told in {seconds:.0f} s", style="green")


def _retraining(act: Act) -> Table:
    """The log loss of December's flights before and after retraining."""
    table = Table(title="What retraining changed: log loss of the same flights of December")
    for column in ("version", "", "log loss", "95 % interval", "at its evaluation"):
        table.add_column(column)
    looks = act.result["looks"]
    told = (("estimated", "estimated before labels came", "estimated"), ("measured", "measured", "measured"))
    for name, words, kind in (*told, ("after", "measured after retraining", "measured")):
        look = looks[name]
        found = look[kind]["log_loss"]
        interval = "" if found["low"] is None else f"{found['low']:.3f} to {found['high']:.3f}"
        evaluated = look["baseline"].get("log_loss")
        table.add_row(
            str(look["champion"]),
            words,
            f"{found['value']:.4f}",
            interval,
            "" if evaluated is None else f"{evaluated:.4f}",
        )
    return table


def _wait(console: Console, stage: Stage) -> None:
    console.print(
        f"Airflow keeps running at {stage.airflow.url}, user {stage.airflow.username}, "
        f"password {stage.airflow.password}; Ctrl-C ends it",
        markup=False,
    )
    while True:
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
