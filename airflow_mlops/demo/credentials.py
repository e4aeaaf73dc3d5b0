"""Secrets of a local Airflow: made once per home, kept in files that only their owner can read."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

USERNAME = "admin"
_FILE = "secrets.json"
_PASSWORDS = "passwords.json"


@dataclass(frozen=True)
class Credentials:
    """What an Airflow needs to trust itself and its one user; never printed.

    :param password: of the user ``admin``.
    :param fernet_key: encrypts connections in the database, so it must stay the same for a home.
    :param jwt_secret: signs the tokens between the parts.
    :param api_secret: signs sessions and log requests.
    """

    password: str = field(repr=False)
    fernet_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    api_secret: str = field(repr=False)

    @classmethod
    def of(cls, home: Path) -> Credentials:
        """The credentials of a home: read, or made when there are none yet."""
        stored = home / _FILE
        if stored.exists():
            return cls(**json.loads(stored.read_text()))
        made = cls._make()
        _write_private(home / _PASSWORDS, json.dumps({USERNAME: made.password}))
        _write_private(stored, json.dumps(asdict(made)))
        return made

    @staticmethod
    def admit(home: Path, users: Iterable[str]) -> dict[str, str]:
        """Passwords of ``admin`` and of further users, by name; made for those who have none yet."""
        passwords: dict[str, str] = json.loads((home / _PASSWORDS).read_text())
        new = {user: secrets.token_urlsafe(12) for user in users if user not in passwords}
        if new:
            _write_private(home / _PASSWORDS, json.dumps({**passwords, **new}))
        return {**passwords, **new}

    @classmethod
    def _make(cls) -> Credentials:
        return cls(
            password=secrets.token_urlsafe(12),
            fernet_key=base64.urlsafe_b64encode(os.urandom(32)).decode(),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret=secrets.token_urlsafe(32),
        )

    @staticmethod
    def passwords_file(home: Path) -> Path:
        """Where Airflow's simple auth manager finds the password."""
        return home / _PASSWORDS


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
