"""What a training job finds in its container: folders and machines, by the variables of SageMaker's toolkit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.training.shards import Shard


@dataclass(frozen=True)
class Surroundings:
    """One machine of a training job.

    :param hyperparameters: of the job, decoded.
    :param model: folder that becomes ``model.tar.gz``.
    :param output: folder that becomes ``output.tar.gz``, also when the job fails.
    :param failure: file whose first 1024 characters SageMaker shows as the reason of a failure.
    :param shard: which of the machines this is.
    :param checkpoints: folder that outlives an interruption, None where the job keeps none.
    """

    hyperparameters: dict[str, Any]
    model: Path
    output: Path
    failure: Path
    shard: Shard
    checkpoints: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Surroundings:
        """What the variables say.

        https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md

        :raises PlatformError: if one that is needed is not there, or is not what it should be.
        """
        hosts = sorted(_read(environ, "SM_HOSTS", list))
        current = _value(environ, "SM_CURRENT_HOST")
        if current not in hosts:
            raise PlatformError(
                "SM_CURRENT_HOST is none of SM_HOSTS", given=current, expected=", ".join(map(str, hosts))
            )
        return cls(
            hyperparameters=_read(environ, "SM_HPS", dict),
            model=Path(_value(environ, "SM_MODEL_DIR")),
            output=Path(_value(environ, "SM_OUTPUT_DATA_DIR")),
            failure=Path(environ.get("SM_OUTPUT_DIR", "/opt/ml/output")) / "failure",
            shard=Shard(hosts.index(current), len(hosts), hosts[0]),
            checkpoints=_checkpoints(environ.get("SM_CHECKPOINT_CONFIG_FILE", "")),
        )


def _checkpoints(config: str) -> Path | None:
    """The folder named in ``checkpointconfig.json``, which is there when the job was asked for with checkpoints."""
    try:
        found = json.loads(Path(config).read_text()) if config else {}
    except (OSError, ValueError):
        return None
    local = found.get("LocalPath") if isinstance(found, dict) else None
    return Path(local) if local else None


def _read(environ: Mapping[str, str], name: str, kind: type) -> Any:
    text = _value(environ, name)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise PlatformError(f"{name} is no JSON {kind.__name__}", given=text[:80])
    return value


def _value(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise PlatformError(
            f"{name} is not set",
            expected="the variables of SageMaker's training toolkit",
            remedy="run this as a SageMaker training job in script mode",
        )
    return value
