"""Records from before there was an audit log: somebody vouches for them, and says so in the chain."""

from __future__ import annotations

from airflow_mlops.core.audit.history import told_of
from airflow_mlops.core.audit.links import read_chain
from airflow_mlops.core.audit.records import keys_of, read_records
from airflow_mlops.core.audit.verifying import chains_of
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.actor import acting
from airflow_mlops.core.store.chain import append


def adopt(
    store: Store, model: str | None = None, *, who: str, why: str, progress: Progress = ignore
) -> tuple[str, ...]:
    """Note the hash of every record that stands in no chain, as it is now; return their keys.

    Done again, it finds nothing. A record that is in the chain with other bytes is not adopted: it was edited.

    :param model: only its records; without one, those of all models and of the store.
    :param who: who vouches for them, and ``why``.
    :raises SpecError: if ``who`` or ``why`` is empty.
    :raises RegistryError: if the store knows nothing of the model.
    """
    for name, text in (("who", who), ("why", why)):
        if not text.strip():
            raise SpecError(
                f"{name} vouches for the records", given=repr(text), expected="a name, or a reason"
            )
    adopted = []
    for chain in chains_of(store, model):
        keys = keys_of(store, chain)
        told = told_of(entry for _, entry in read_chain(store, chain, progress).entries())
        with acting(who):
            for kept in read_records(store, [key for key in keys if key not in told], chain, progress):
                append(store, chain, "adopted", kept.key, kept.sha256, why)
                adopted.append(kept.key)
    return tuple(adopted)
