"""Model versions: an append-only log of complete records, one number per version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.version import ModelVersion, RunRef, version_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.training.artifact import TrainedModel

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


class Registry:
    """The versions of one model.

    :param store: where they are recorded.
    :param model: name of the model.
    """

    def __init__(self, store: Store, model: str) -> None:
        self.model = model
        self._store = store
        self._log = version_log(store, model)

    def register(
        self,
        *,
        trained: TrainedModel,
        evaluation: Evaluation,
        dataset: DatasetRef,
        spec: ModelSpec,
        validation: str | None,
        run: RunRef | None,
        by: str,
        audit: str | None = None,
        shaped: float | None = None,
    ) -> tuple[int, ModelVersion]:
        """Record a model as the next version; a retry of the same run with the same model finds its own.

        :param dataset: the dataset version it was trained on.
        :param validation: reference of the stored validation result, None when nothing was validated.
        :param run: the Airflow run that made it, None outside of Airflow.
        :param by: who asked for it.
        :param audit: reference of the stored audit of the labels, None when they were not audited.
        :param shaped: share of the rows of the dataset that earlier versions' answers may have shaped, None where
            nobody has looked.
        :raises RegistryError: if the evaluation did not pass (names the gate) or is of another model, if the
            parts do not belong together, or if a part of the model is not in the store; nothing is written.
        """
        self._require_passed(evaluation)
        self._require_one_model(trained, evaluation, dataset, spec)
        self._require_stored(trained)
        entry = ModelVersion(
            model=self.model,
            dataset=dataset,
            spec=spec.to_dict(),
            trained=trained,
            evaluation=evaluation,
            validation=validation,
            audit=audit,
            shaped=shaped,
            run=run,
            created_at=utc_now(),
            created_by=by,
        )
        return self._log.append_once(entry, lambda other: _same_registration(entry, other))

    def get(self, number: int) -> ModelVersion:
        """Version ``number``. :raises RegistryError: if there is none; names what exists."""
        self.cite(number)
        return self._log.read(number)

    def cite(self, number: int) -> str:
        """``model:number`` of a version. :raises RegistryError: if there is none; names what exists."""
        last = self._log.last_number()
        if not 1 <= number <= last:
            raise RegistryError(
                f"{self.model} has no version {number}",
                expected=f"1 to {last}" if last else "a release first: it has no versions yet",
            )
        return f"{self.model}:{number}"

    def newest(self) -> tuple[int, ModelVersion] | None:
        """The newest version with its number, None when there is none."""
        return self._log.newest()

    def numbers(self) -> tuple[int, ...]:
        """All version numbers, oldest first."""
        return tuple(range(1, self._log.last_number() + 1))

    def _require_passed(self, evaluation: Evaluation) -> None:
        if evaluation.passed:
            return
        failed = [f"{result.gate.name}: {result.reason}" for result in evaluation.gates if not result.passed]
        raise RegistryError(
            f"{self.model} did not pass its evaluation",
            given="; ".join(failed) or "no gates",
            expected="every gate passed",
        )

    def _require_one_model(
        self, trained: TrainedModel, evaluation: Evaluation, dataset: DatasetRef, spec: ModelSpec
    ) -> None:
        parts = {
            "trained model": (trained.model, self.model),
            "spec": (spec.name, self.model),
            "dataset": (dataset.id, trained.dataset),
            "evaluation": (evaluation.artifact or trained.artifact, trained.artifact),
        }
        for what, (given, expected) in parts.items():
            if given != expected:
                raise RegistryError(
                    f"{what} belongs to another model version", given=given, expected=expected
                )

    def _require_stored(self, trained: TrainedModel) -> None:
        hashes = {"artifact": trained.artifact, "environment": trained.environment}
        if trained.code:
            hashes["feature code"] = trained.code.sha256
        if trained.program:
            hashes["training code"] = trained.program
        for what, sha256 in hashes.items():
            if not self._store.exists(blob_key(sha256)):
                raise RegistryError(
                    f"{what} of {self.model} is not in {self._store.uri}",
                    given=sha256[:12],
                    remedy="train again with this store",
                )


def _same_registration(entry: ModelVersion, other: ModelVersion) -> bool:
    if entry.trained.artifact != other.trained.artifact:
        return False
    if entry.run is None or other.run is None:
        return entry.run is other.run and (entry.spec, entry.dataset) == (other.spec, other.dataset)
    return entry.run.key == other.run.key
