"""What an erasure took out: the tombstones that keep the rest of the record readable.

The records lie with the data, as reading them has to know what was erased.
"""

from __future__ import annotations

from airflow_mlops.core.data.erasures import Erasure, Tombstone, erasure_log

__all__ = ["Erasure", "Tombstone", "erasure_log"]
