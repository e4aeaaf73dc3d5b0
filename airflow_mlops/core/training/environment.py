"""The environment of a training, as text that an installer can read."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from airflow_mlops.core.aws.requirements import locked_versions

_HEAD = re.compile(r"# python (\S+) (\S+ \S+)")
#: The name that a line of ``Requires-Dist`` begins with.
_REQUIRED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Lock:
    """An environment, read from its text.

    :param python: version of Python, None in a text without a head.
    :param system: operating system and machine, e.g. ``linux x86_64``.
    :param packages: versions by the normalized name.
    """

    python: str | None
    system: str | None
    packages: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Lock:
        """What :func:`environment_lock` has written."""
        head = _HEAD.match(text)
        return cls(head[1] if head else None, head[2] if head else None, locked_versions(text))


@cache
def environment_lock() -> str:
    """``name==version`` lines of what is installed, sorted, below a comment with the Python version."""
    head = f"# python {platform.python_version()} {this_platform()}"
    return "\n".join([head, *(f"{name}=={version}" for name, version in sorted(installed().items()))]) + "\n"


def this_platform() -> str:
    """Operating system and machine, as a lock names them."""
    return f"{platform.system().lower()} {platform.machine()}"


def installed(path: list[str] | None = None) -> dict[str, str]:
    """Versions of the installed packages, by normalized name.

    :param path: folders to look in; those of this process without any.
    """
    found: dict[str, str] = {}
    for distribution in metadata.distributions() if path is None else metadata.distributions(path=path):
        about = distribution.metadata  # parsed at each access
        if about["Name"] and about["Version"]:
            # The first one on the path is the one that is imported.
            found.setdefault(_normalized(about["Name"]), about["Version"])
    return found


def closure(names: Iterable[str], locked: Mapping[str, str]) -> set[str]:
    """The packages of a lock that some packages need, themselves included.

    What a package requires is read from the one that is installed here; of one that is not, only the name is known.
    """
    found: set[str] = set()
    waiting = [name for name in names if name in locked]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one for one in _required_by(name) if one in locked]
    return found


def _required_by(name: str) -> list[str]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    needed = (_REQUIRED.match(line) for line in lines if "extra ==" not in line)
    return [_normalized(match[0]) for match in needed if match]


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
