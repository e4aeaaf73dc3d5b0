"""What an endpoint serves, in words."""

from __future__ import annotations

from airflow_mlops.core.registry.deployments import Desired


def in_words(desired: Desired) -> str:
    """E.g. ``canary (deployment 5), champion 2, challenger 3 at 0.1``."""
    parts = [f"{desired.mode} (deployment {desired.number})"]
    if desired.champion is not None:
        parts.append(f"champion {desired.champion}")
    if desired.challenger is not None:
        parts.append(f"challenger {desired.challenger} at {desired.weight:g}")
    return ", ".join(parts)
