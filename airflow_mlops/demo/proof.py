"""``python -m airflow_mlops.demo.proof STORE``: a version answers for itself, from the store alone.

Picks a version by chance, tells its story and its path, builds it again to identical bytes, and then harms copies of
the store, each in another way, to see that the harm is found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.rule import Rule

from airflow_mlops.cli.main import main as command
from airflow_mlops.core.audit import verify
from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.errors import MlopsError, PlatformError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.reproduction.locked import find_uv
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.audited import model_chain
from airflow_mlops.core.store.blobs import blob_key, get_bytes
from airflow_mlops.core.store.chain import entry_key
from airflow_mlops.core.training.environment import Lock
from airflow_mlops.demo.story import MODEL

#: Small packages that pandas and pydantic need for a training, in older versions that they still take.
_OTHER_LIBRARIES = {"python-dateutil": "2.8.2", "annotated-types": "0.6.0"}


class NotProved(MlopsError):
    """The store does not hold what it promises."""


@dataclass(frozen=True)
class Harm:
    """One way to harm a store.

    :param name: what is done.
    :param place: key of the store that it is done to.
    :param data: what lies there afterwards, None for nothing.
    """

    name: str
    place: str
    data: bytes | None

    def do(self, store: Path) -> None:
        """Harm a copy whose files are links: each is replaced, so that the original stays as it is."""
        path = store / self.place
        path.unlink()
        if self.data is not None:
            path.write_bytes(self.data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove one version; return the exit code: 0 when all was as it should be, 1 otherwise."""
    options = _options().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        return _prove(console, options)
    except MlopsError as error:
        console.print(f"error: {error}", markup=False, style="red")
        return 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_mlops.demo.proof",
        description="Tell and rebuild a version from the store alone, and find what is done to copies of it.",
    )
    parser.add_argument("store", type=Path, help="folder of the store, e.g. <home of the demo>/mlops/store")
    parser.add_argument("--model", default=MODEL, help=f"name of the model (default: {MODEL})")
    parser.add_argument("--version", type=int, help="its version; by chance without it")
    return parser


def _prove(console: Console, options: argparse.Namespace) -> int:
    store = open_store(str(options.store))
    numbers = Registry(store, options.model).numbers()
    if not numbers:
        raise NotProved(f"there is no version of {options.model}", given=store.uri)
    number = options.version or random.SystemRandom().choice(numbers)
    cited = Registry(store, options.model).cite(number)
    told = ["--store", str(options.store)]
    console.print(Rule(f"the story of {cited}"))
    _require(command(["story", cited, *told]) == 0, "its story can't be told")
    console.print(Rule("from source bytes to the endpoint, and what came of it"))
    _require(command(["lineage", cited, *told]) == 0, "its path can't be told")
    console.print(Rule("the audit log"))
    _require(command(["audit", "verify", *told]) == 0, "the store is not as it was written")
    console.print(Rule("the same bytes again"))
    _require(command(["reproduce", cited, *told]) == 0, "it does not come out the same")
    console.print(Rule("harm"))
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-proof-", dir=options.store.parent) as folder:
        for harm in _harms(options.store, options.model, number):
            console.print(f"{harm.name}: {_found(options.store, Path(folder), harm)}", markup=False)
        console.print(f"a different library version: {_other_library(options.store, Path(folder), cited)}")
    console.print(
        f"{cited} answers for itself: told, rebuilt to the byte, and every harm was found", style="green"
    )
    return 0


def _harms(folder: Path, model: str, number: int) -> list[Harm]:
    store = open_store(str(folder))
    registry = Registry(store, model)
    record = registry.get(number)
    data = load_version(store, record.dataset.name, record.dataset.id).files[0].sha256
    bytes_of_data = bytearray(get_bytes(store, data))
    bytes_of_data[len(bytes_of_data) // 2] ^= 1
    others = [registry.get(each).trained.artifact for each in registry.numbers()]
    other = next((one for one in others if one != record.trained.artifact), None)
    entry = f"models/{model}/versions/{number:010d}.json"
    edited = json.loads(store.read(entry))
    edited["evaluation"]["metrics"] = dict.fromkeys(edited["evaluation"]["metrics"], 0.99)
    last = DeploymentLog(store, model).log.last_number()
    return [
        Harm("a changed data byte", blob_key(data), bytes(bytes_of_data)),
        Harm(
            "a swapped model file",
            blob_key(record.trained.artifact),
            get_bytes(store, other) if other else b"{}",
        ),
        Harm("an edited record", entry, json.dumps(edited, separators=(",", ":")).encode()),
        Harm("a removed log entry", f"models/{model}/deployments/{last:010d}.json", None),
        Harm("a removed entry of the audit log", entry_key(model_chain(model), last), None),
    ]


def _found(original: Path, folder: Path, harm: Harm) -> str:
    """What the audit says of a harmed copy.

    :raises NotProved: if it does not name the place.
    """
    copy = folder / "copy"
    shutil.copytree(original, copy, copy_function=os.link)
    try:
        harm.do(copy)
        findings = verify(open_store(str(copy))).findings
    finally:
        shutil.rmtree(copy)
    said = [one.said for one in findings if one.place == harm.place]
    _require(bool(said), f"{harm.name} was not found; the audit names {[one.place for one in findings]}")
    return said[0]


def _other_library(original: Path, folder: Path, cited: str) -> str:
    """What ``reproduce`` says where a library is another one.

    :raises NotProved: if it does not name the library.
    """
    model, _, number = cited.partition(":")
    store = open_store(str(original))
    record = Registry(store, model).get(int(number))
    lock = Lock.parse(get_bytes(store, record.trained.environment).decode())
    name, version = next(
        (name, version)
        for name, version in _OTHER_LIBRARIES.items()
        if lock.packages.get(name) not in (None, version)
    )
    others, copy = folder / "libraries", folder / "copy"
    at = ["--quiet", "--no-deps", "--target", str(others)]
    _run([*find_uv(), "pip", "install", *at, f"{name}=={version}"])
    shutil.copytree(original, copy, copy_function=os.link)
    again = ["reproduce", cited, "--store", str(copy), "--place", "here", "--json"]
    made = [sys.executable, "-m", "airflow_mlops.cli", *again]
    path = os.pathsep.join([str(others), *filter(None, [os.environ.get("PYTHONPATH")])])
    answer = json.loads(_run(made, {"PYTHONPATH": path}))
    named = {one["name"]: (one["recorded"], one["found"]) for one in answer["environment"]}
    _require(named.get(name) == (lock.packages[name], version), f"{name} {version} was not named: {named}")
    return f"{answer['reason']} ({answer['outcome']})"


def _run(arguments: list[str], more: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, env={**os.environ, **(more or {})}
    )
    if not done.stdout and done.returncode:
        raise PlatformError("a command failed", given=" ".join(done.stderr.splitlines()[-3:]))
    return done.stdout


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotProved(otherwise)


if __name__ == "__main__":
    sys.exit(main())
