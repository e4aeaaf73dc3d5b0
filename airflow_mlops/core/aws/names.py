"""Names on SageMaker: each follows from what it names, so that whoever tries again finds what is there."""

from __future__ import annotations

import hashlib

_MOST = 63


def endpoint_name(prefix: str, model: str) -> str:
    """The endpoint of a model, e.g. ``mlops-flight-delay``."""
    return _name(prefix, model)


def model_name(prefix: str, model: str, version: int | str, digest: str) -> str:
    """The SageMaker model of a version.

    :param digest: hash of everything that makes it (data, image, environment): other bytes have another name.
    """
    return _name(prefix, model, f"v{version}" if isinstance(version, int) else version, digest[:12])


def config_name(prefix: str, model: str, digest: str) -> str:
    """An endpoint configuration. :param digest: hash of its content: the same content has the same name."""
    return _name(prefix, model, digest[:16])


def job_name(prefix: str, model: str, run: str, attempt: int) -> str:
    """The training job of a run.

    :param run: key of the Airflow run and task.
    :param attempt: how often a person has cleared the task: a retry finds its job, a cleared task starts anew.
    """
    return _name(prefix, model, hashlib.sha256(f"{run}\x00{attempt}".encode()).hexdigest()[:16])


def _name(*parts: str) -> str:
    """The parts joined by hyphens, cut in the middle with a hash when they are too long for SageMaker."""
    whole = "-".join(part.replace("_", "-") for part in parts)
    if len(whole) <= _MOST:
        return whole
    tail = f"-{hashlib.sha256(whole.encode()).hexdigest()[:8]}-{parts[-1]}"
    return whole[: _MOST - len(tail)].rstrip("-") + tail
