"""How our clients behave: retries, time limits, connections kept, and the name under which AWS logs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_mlops import __version__

if TYPE_CHECKING:
    from botocore.config import Config

#: Both modes of botocore wait with exponential backoff and full jitter, also when they are throttled.
_RETRIES = {"mode": "standard", "total_max_attempts": 6}
_COMMON: dict[str, Any] = {
    "retries": _RETRIES,
    "max_pool_connections": 32,
    "connect_timeout": 10,
    "read_timeout": 60,
    "tcp_keepalive": True,
    "user_agent_extra": f"airflow-mlops/{__version__}",
}
_OF_SERVICE: dict[str, dict[str, Any]] = {
    # Many tasks and triggers share its low limits: after the first throttled call the client slows itself down.
    "sagemaker": {"retries": {"mode": "adaptive", "total_max_attempts": 10}},
    # A model may answer for 60 seconds, and each repetition is one more request to it.
    "sagemaker-runtime": {"read_timeout": 70, "retries": {"mode": "standard", "total_max_attempts": 3}},
}
#: Of AWS's partitions, as botocore's partitions.json has them; the last are those of dual-stack addresses.
_SUFFIXES = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".sc2s.sgov.gov",
    ".api.amazonwebservices.com.cn",
    ".api.amazonwebservices.eu",
    ".api.aws",
    ".api.aws.hci.ic.gov",
    ".api.aws.ic.gov",
    ".api.aws.scloud",
    ".api.cloud-aws.adc-e.uk",
)


def client_config(service: str, over: Config | None = None) -> Config:
    """The configuration of a service's client.

    :param over: what a connection says; it wins, field by field, and within ``retries``, too.
    """
    from botocore.config import Config

    ours = {**_COMMON, **_OF_SERVICE.get(service, {})}
    if over is None:
        return Config(**ours)
    merged = Config(**ours).merge(over)
    retries: Any = getattr(over, "retries", None)
    if retries:
        retries = _retries(ours["retries"], retries)
        merged = merged.merge(Config(retries=retries))
    theirs = getattr(over, "user_agent_extra", None)
    if theirs:
        merged = merged.merge(Config(user_agent_extra=f"{theirs} {_COMMON['user_agent_extra']}"))
    return merged


def by_path(config: Config) -> Config:
    """The same, with buckets addressed by path, where it does not say how: their names are no host names."""
    from botocore.config import Config

    s3: Any = getattr(config, "s3", None) or {}
    if "addressing_style" in s3:
        return config
    s3 = {**s3, "addressing_style": "path"}
    return config.merge(Config(s3=s3))


def is_aws(url: str) -> bool:
    """Whether an address is of AWS itself, in any of its partitions, VPC endpoints included."""
    return (urlsplit(url).hostname or "").endswith(_SUFFIXES)


def _retries(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Their fields over ours; either way to name the number of tries replaces the other."""
    if "max_attempts" in theirs and "total_max_attempts" not in theirs:
        ours = {name: value for name, value in ours.items() if name != "total_max_attempts"}
    return {**ours, **theirs}
