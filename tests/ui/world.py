"""Models in a store: versions that nobody trained, with whatever text."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Store
from tests.core.registry import world

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def register(store: Store, model: str, **spec: object) -> None:
    """A version of a model whose spec says this."""
    made = ModelVersion(
        model=model,
        dataset=world.DATASET,
        spec=spec,
        trained=world.trained(store),
        evaluation=world.evaluation(),
        validation=None,
        run=None,
        created_at=START,
        created_by="ann",
    )
    store.create(f"models/{model}/versions/{1:010d}.json", made.to_bytes())
