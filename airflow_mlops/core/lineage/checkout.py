"""Where a source file stands in a git checkout: read from ``.git``, without running git."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_COMMIT = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?$")
_SCP = re.compile(r"^(?:[\w.-]+@)?([\w.-]+\.[\w-]+):(?!//)(.+)$")
_LARGEST = 2**22


@dataclass(frozen=True)
class SourceFile:
    """A file of a repository.

    :ivar repository: its URL on the web, without a user or a password.
    :ivar path: of the file, from the root of the repository.
    :ivar branch: None where no branch is checked out.
    """

    repository: str
    path: str
    commit: str
    branch: str | None = None

    @property
    def url(self) -> str:
        """Of the file on the web, at its commit."""
        return f"{self.repository.removesuffix('.git')}/blob/{self.commit}/{self.path}"


def source_file(file: str | Path) -> SourceFile | None:
    """Where ``file`` stands; None outside of a checkout with a commit and a remote ``origin`` on the web.

    The file may have been changed since the commit: nobody looks.
    """
    place = Path(file).absolute()
    try:
        root = next((one for one in place.parents if (one / ".git").exists()), None)
        if root is None:
            return None
        folder = _git_folder(root / ".git")
        shared = _shared(folder)
        commit, branch = _head(folder, shared)
        repository = _web(_origin(shared))
    except (OSError, ValueError):
        return None
    if commit is None or repository is None:
        return None
    return SourceFile(repository, place.relative_to(root).as_posix(), commit, branch)


def _git_folder(place: Path) -> Path:
    """The folder itself, or the one that the file of a worktree or a submodule names."""
    if place.is_dir():
        return place
    return (place.parent / _text(place).removeprefix("gitdir:").strip()).resolve()


def _shared(folder: Path) -> Path:
    """What the worktrees of a repository share: refs and settings."""
    common = folder / "commondir"
    return (folder / _text(common).strip()).resolve() if common.is_file() else folder


def _head(folder: Path, shared: Path) -> tuple[str | None, str | None]:
    """The commit that is checked out, and its branch."""
    head = _text(folder / "HEAD").strip()
    if not head.startswith("ref: "):
        return (head if _COMMIT.match(head) else None), None
    name = head.removeprefix("ref: ").strip()
    branch = name.removeprefix("refs/heads/")
    for place in (folder, shared):
        if ".." not in name and (place / name).is_file():
            found = _text(place / name).strip()
            return (found if _COMMIT.match(found) else None), branch
    packed = shared / "packed-refs"
    lines = _text(packed).splitlines() if packed.is_file() else []
    named = (line.split(" ", 1) for line in lines if line.endswith(f" {name}"))
    return next((commit for commit, _ in named if _COMMIT.match(commit)), None), branch


def _origin(shared: Path, follows: bool = True) -> str:
    """URL of the remote ``origin``, empty without one; of a clone of a local mirror that of the mirror."""
    section, url = "", ""
    for line in _text(shared / "config").splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text
        elif section == '[remote "origin"]' and text.partition("=")[0].strip() == "url":
            url = text.partition("=")[2].strip().strip('"')
    if follows and url and (Path(url) / "config").is_file():
        return _origin(Path(url), follows=False)
    return url


def _web(remote: str) -> str | None:
    """The URL of a remote as a browser takes it; None for one that is not on the web."""
    if scp := _SCP.match(remote):
        return f"https://{scp[1]}/{scp[2].lstrip('/')}"
    parts = urlsplit(remote)
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return None
    port = f":{parts.port}" if parts.port and parts.scheme in ("https", "http") else ""
    scheme = parts.scheme if parts.scheme in ("https", "http") else "https"
    return urlunsplit((scheme, f"{parts.hostname}{port}", parts.path.rstrip("/"), "", ""))


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_LARGEST)
