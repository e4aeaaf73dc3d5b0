"""The audit log: what was written, in what order, by whom; and whether it still stands as it was written."""
