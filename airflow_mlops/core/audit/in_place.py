"""Data that are pinned where they lie, outside of the store: are the pinned versions still there?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_mlops.core.audit.report import Finding
from airflow_mlops.core.data.erasures import Tombstone
from airflow_mlops.core.data.fetching import in_order
from airflow_mlops.core.data.in_place import file_in_place
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.data.version import DataFile, DatasetVersion
from airflow_mlops.core.errors import DataError, DataMissing, IntegrityError, KeyMissing
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import parse


@dataclass
class InPlace:
    """What was seen of such data so far.

    :param root: the data root, for its client: a version names its own place.
    :param stones: what erasures took out.
    :param unread: versions whose data can't be looked up without a root.
    """

    store: Store
    root: DataRoot | None
    stones: Sequence[Tombstone]
    progress: Progress = ignore
    count: int = 0
    unread: list[str] = field(default_factory=list)

    def check(self, key: str, data: bytes) -> Iterator[Finding]:
        """Look up the files of a dataset version that are no blobs of the store: on S3 their version and size, in a
        folder their bytes.
        """
        version = parse(data, DatasetVersion, key).bound(self.root)
        files = [file for file in version.files if file.version_id or version.table]
        if not files:
            return
        if not isinstance(self.root, S3Root) and urlsplit(version.root or "").scheme != "file":
            self.unread.append(f"{version.name}@{version.id}")
            return
        self.progress(f"{version.name}@{version.id}: looking up {len(files):,} files in {version.root}")
        excused = {uri for stone in self.stones if stone.dataset == version.ref for uri in stone.outside}
        with closing(in_order(lambda file: self._looked(version, file), files)) as looked:
            for file, found in zip(files, looked, strict=True):
                self.count += 1
                place = f"{version.root}/{file.source}"
                if found and place not in excused:
                    yield found.model_copy(update={"place": place})

    def _looked(self, version: DatasetVersion, file: DataFile) -> Finding | None:
        what = f"{file.source} of {version.name}@{version.id}"
        try:
            if isinstance(self.root, S3Root) and urlsplit(version.root or "").scheme != "file":
                size = self.root.at(version.root or "").size(file.source, file.version_id)
                if size == file.size:
                    return None
                said = f"{what} has {size:,} bytes in {version.root}, and had {file.size:,}"
                return Finding(kind="changed data", place="", said=said)
            file_in_place(version, file)
        except (DataMissing, KeyMissing):
            said = f"{what} is gone from {version.root}"
            return Finding(kind="missing data", place="", said=said)
        except IntegrityError:
            said = f"{what} was changed in {version.root}"
            return Finding(kind="changed data", place="", said=said)
        except DataError as error:
            return Finding(kind="missing data", place="", said=f"{what} can't be looked up: {error}")
        return None
