"""What a service said, on one line, without anything that signs requests."""

from __future__ import annotations

import re
from typing import Any

_MOST = 400
#: What follows is the request as it was signed, header by header.
_SIGNED = re.compile(
    r"(The Canonical String for this request|Encoded authorization failure message:).*", re.S
)
_SECRETS = (
    (re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']*"), r"\1"),  # presigned addresses
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"), "(an access key)"),
    (re.compile(r"(?i)\b(signature|x-amz-security-token|credential|session_?token)=[^\s,;&\"']+"), r"\1=..."),
    (re.compile(r"(?i)(authorization|x-amz-security-token): ?[^\n;]+"), r"\1: ..."),
)


def part(error: Exception, name: str) -> dict[str, Any]:
    """One part of the answer that a ``ClientError`` carries."""
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    found: dict[str, Any] = answer.get(name) or {}
    return found


def code(error: Exception) -> str:
    """The error code of a ``ClientError``, empty for an error without an answer."""
    return str(part(error, "Error").get("Code", ""))


def status(error: Exception) -> int:
    """The HTTP status of a ``ClientError``, 0 for an error without an answer."""
    return int(part(error, "ResponseMetadata").get("HTTPStatusCode", 0))


def message(error: Exception) -> str:
    """What the service said, on one line and without secrets."""
    said = part(error, "Error").get("Message")
    return told(str(said or ("it says no more" if code(error) else error)))


def told(text: str) -> str:
    """Any text of a service, on one line and without secrets."""
    text = _SIGNED.sub("", text)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 3]}..."


def quoted(error: Exception) -> str:
    """The message, with the code and the call that it is about."""
    about = " of ".join(each for each in (code(error), getattr(error, "operation_name", "")) if each)
    return f"{message(error)} ({about})" if about else message(error)
