"""How a command line names a model version: ``MODEL:VERSION``."""

from __future__ import annotations

from airflow_mlops.core.errors import RegistryError

#: Fewer than this: the keys of versions have no room for more.
_DIGITS = 10


def parse_cited(text: str) -> tuple[str, int]:
    """The model and the number in ``flight_delay:7``. :raises RegistryError: if it is something else."""
    model, _, number = text.rpartition(":")
    if not model or not (number.isascii() and number.isdigit() and len(number) < _DIGITS):
        raise RegistryError(
            "not a model version", given=repr(text), expected="MODEL:VERSION, e.g. flight_delay:7"
        )
    return model, int(number)
