"""The code of a training as one archive, stored with the model: what can train it again when ours has moved on.

The archive holds the rooms that a training imports, as they are; the order of the layers in ``pyproject.toml`` keeps
them from importing others. It is not compressed, so that the same files give the same bytes with every build of zlib.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import airflow_mlops
from airflow_mlops.core.errors import IntegrityError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, put_bytes

#: What of ``airflow_mlops`` is in the archive.
_PARTS = (
    "__init__.py",
    "core/*.py",
    "core/aws/**/*.py",
    "core/data/**/*.py",
    "core/store/**/*.py",
    "core/training/**/*.py",
    "spec/**/*.py",
)
#: Packages that a training imports, by the names that a lock has; of XGBoost there are two.
REQUIRES = ("duckdb", "numpy", "pandas", "pyarrow", "pydantic", "pyyaml")
XGBOOST = ("xgboost-cpu", "xgboost")
#: The member that names them, one in a line: an older program may need others than this one.
_REQUIRES_FILE = "requires.txt"
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


@cache
def program() -> bytes:
    """The archive of the code that runs here."""
    root = Path(airflow_mlops.__file__).parent
    texts = {f"{root.name}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in _files(root)}
    texts[_REQUIRES_FILE] = "".join(f"{name}\n" for name in (*REQUIRES, *XGBOOST)).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(texts):
            about = zipfile.ZipInfo(name, _TIME)
            about.create_system, about.external_attr = 3, _MODE  # Unix, wherever it is made
            archive.writestr(about, texts[name])
    return packed.getvalue()


def put_program(store: Store) -> str:
    """Store the code that runs here unless it is there; return its SHA-256."""
    sha256 = hashlib.sha256(program()).hexdigest()
    return sha256 if store.exists(blob_key(sha256)) else put_bytes(store, program())


def unpack_program(archive: bytes, folder: Path) -> tuple[str, ...]:
    """Write the files of an archive below a folder, which then belongs on ``sys.path``; return what it requires.

    :param archive: bytes whose hash was checked.
    :return: names of packages, as a lock has them.
    :raises IntegrityError: if it is no such archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            required = packed.read(_REQUIRES_FILE).decode().split()
            packed.extractall(folder)  # never above the folder: extract() drops what leads there
    except (zipfile.BadZipFile, KeyError) as error:
        raise IntegrityError("stored training code is no archive of ours", given=str(error)) from None
    return tuple(required)


def _files(root: Path) -> Iterator[Path]:
    for part in _PARTS:
        yield from (path for path in root.glob(part) if path.is_file())
