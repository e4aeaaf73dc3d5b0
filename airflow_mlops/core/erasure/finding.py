"""What the store holds of a person: rows of dataset versions, traffic, predictions, and what was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.erasure.attached import Attached, Attachments
from airflow_mlops.core.erasure.learned import champion_of, learned_from
from airflow_mlops.core.erasure.named import named_records
from airflow_mlops.core.erasure.predictions import Predicted, Tie, find_predictions
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.erasure.traffic import Lines, find_captures, find_ground_truth, other_captures
from airflow_mlops.core.erasure.versions import Held, search
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.answers.erasing import Answered, find_answers
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import parse
from airflow_mlops.core.wording import counted


@dataclass(frozen=True)
class Columns:
    """Which columns name people and rows. :param subject: ``data.subject``; :param id: ``data.id``."""

    subject: str
    id: str | None = None


@dataclass(frozen=True)
class Findings:
    """What a model's part of the store holds of a person.

    :param held: dataset versions with such rows, the oldest first; also of other models that share a file.
    :param captures, truth: files of captured requests and of labels.
    :param attached: quarantines, review files and reports.
    :param left: places that name the person, or may, and that nothing can be taken out of; in words.
    :param retrain: versions of the model that learned from such rows; ``champion`` is the version that answers.
    """

    model: str
    held: tuple[Held, ...]
    captures: Lines
    truth: Lines
    answers: Answered
    predictions: Predicted
    attached: Attached
    left: tuple[str, ...]
    retrain: tuple[int, ...]
    champion: int | None

    @property
    def elsewhere(self) -> dict[str, int]:
        """Rows beside the dataset versions, by place."""
        found = {
            "captured requests": sum(self.captures.keys.values()),
            "labels": sum(self.truth.keys.values()),
            "answers": self.answers.rows,
            "predictions": sum(self.predictions.keys.values()),
        }
        for rows, what in self.attached.rows.values():
            found[what] = found.get(what, 0) + rows
        for what in self.attached.texts.values():
            found[what] = found.get(what, 0) + 1
        return {place: count for place, count in found.items() if count}

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to take out."""
        return not self.held and not self.elsewhere and not self.predictions.keys

    def lines(self) -> Iterator[str]:
        """All of it in words, a line for each place."""
        for one in self.held:
            version = one.version
            yield (
                f"{version.name}@{version.id}: {one.rows:,} of {version.rows:,} rows, "
                f"{counted(len(one.blobs), 'file')} in the store, {len(one.outside)} outside"
            )
        for place, count in self.elsewhere.items():
            yield f"{place}: {count:,}"
        for number in self.retrain:
            champion = " (the champion)" if number == self.champion else ""
            yield f"{self.model}:{number}{champion} learned from these rows"
        for place in self.left:
            yield f"stays: {place}"
        if self.nothing:
            yield "no row of the person was found"


def find(
    store: Store,
    model: str,
    columns: Columns,
    subject: Subject,
    *,
    now: datetime,
    root: DataRoot | None = None,
    progress: Progress = ignore,
) -> Findings:
    """Look for a person in everything that a model's part of the store holds; nothing is changed.

    Each distinct data file is read once, two columns of it. Memory is that of a batch, and of the places of the rows
    that were found.

    :param root: the data root, for versions that pin their files there.
    :raises DataError: if files lie in a bucket and ``root`` can't read them.
    :raises StoreError: if a record can't be read.
    """
    searched = search(store, model, columns.subject, subject, root, progress)
    refs = {one.version.ref: one for one in searched.held}
    captures = find_captures(store, model, columns.subject, subject, progress)
    answers = find_answers(store, model, columns.subject, subject.mask, captures.ids)
    captures.ids.update(answers.ids)
    attachments = Attachments(store, model, columns.subject, columns.id, subject, refs)
    attached = attachments.find(_data(store), progress)
    retrain, unknown = learned_from(store, model, {ref for ref, one in refs.items() if one.rows})
    broken = (f"{key}: a line that can't be read names the person" for key in sorted(set(captures.broken)))
    return Findings(
        model=model,
        held=tuple(searched.held),
        captures=captures,
        truth=find_ground_truth(store, model, captures.ids),
        answers=answers,
        predictions=find_predictions(store, model, Tie(store, columns.subject, subject, refs), progress),
        attached=attached,
        left=(
            *searched.left,
            *(
                f"{place}: captures of SageMaker, which were not searched"
                for place in other_captures(store, model)
            ),
            *broken,
            *attached.left,
            *named_records(store, model, columns.subject, subject),
            *unknown,
        ),
        retrain=retrain,
        champion=champion_of(store, model, now),
    )


def columns_of(store: Store, model: str) -> Columns:
    """The columns that the newest registered version's spec names.

    :raises SpecError: if there is no version, or it names no subject.
    """
    newest = Registry(store, model).newest()
    data = newest[1].spec.get("data", {}) if newest else {}
    column = data.get("subject")
    if not column:
        raise SpecError(
            f"nothing says which column of {model} names people",
            given=f"version {newest[0]} without data.subject" if newest else "no registered version",
            remedy="say --column, and set data.subject in the spec",
        )
    return Columns(column, data.get("id"))


def _data(store: Store) -> frozenset[str]:
    """Hashes of all files of dataset versions."""
    return frozenset(
        file.sha256
        for item in store.list("datasets/")
        for file in parse(store.read(item.key), DatasetVersion, item.key).files
    )
