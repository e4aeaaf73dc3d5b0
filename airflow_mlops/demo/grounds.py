"""Where the story takes place: batches of flights arrive there, and requests are answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.capture import GroundTruth
from airflow_mlops.core.serving.ground_truth import append_ground_truth
from airflow_mlops.demo.flights import write_batch
from airflow_mlops.demo.traffic import Traffic

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.core.store import Store


class Grounds(Protocol):
    """A data root that takes batches, and an endpoint that takes requests."""

    def deliver(self, batch: pd.DataFrame, month: int) -> None:
        """Put a batch in the place of a month."""
        ...

    def traffic(self, flights: pd.DataFrame, *, name: str, rate: float, **how: Any) -> Traffic:
        """Live requests about flights; see :class:`~airflow_mlops.demo.traffic.Traffic`."""
        ...


@dataclass(frozen=True)
class FolderGrounds:
    """A folder and the local endpoint server.

    :param endpoint: base URL of the server.
    :param data: the data root.
    """

    endpoint: str
    data: Path
    model: str

    def deliver(self, batch: pd.DataFrame, month: int) -> None:
        """See :meth:`Grounds.deliver`."""
        write_batch(batch, month, self.data)

    def traffic(self, flights: pd.DataFrame, *, name: str, rate: float, **how: Any) -> Traffic:
        """See :meth:`Grounds.traffic`."""
        return Traffic(self.endpoint, self.model, flights, name=name, rate=rate, **how)


@dataclass(frozen=True)
class AwsGrounds:
    """A bucket and an endpoint on SageMaker; the truth goes to the store, as SageMaker takes none.

    :param runtime: base URL of SageMaker Runtime.
    :param endpoint: name of the endpoint.
    :param bucket: of the data.
    """

    runtime: str
    endpoint: str
    model: str
    store: Store = field(repr=False)
    s3: Any = field(repr=False)
    bucket: str

    def deliver(self, batch: pd.DataFrame, month: int) -> None:
        """See :meth:`Grounds.deliver`."""
        with TemporaryDirectory() as aside:
            path = write_batch(batch, month, Path(aside))
            self.s3.upload_file(str(path), self.bucket, path.relative_to(aside).as_posix())

    def traffic(self, flights: pd.DataFrame, *, name: str, rate: float, **how: Any) -> Traffic:
        """See :meth:`Grounds.traffic`."""
        return Traffic(self.runtime, self.endpoint, flights, name=name, rate=rate, tell=self._tell, **how)

    def _tell(self, truths: Iterable[dict[str, Any]]) -> None:
        append_ground_truth(self.store, self.model, [GroundTruth(**one, at=utc_now()) for one in truths])
