"""Operators: resolve the platform, call the core, push a small result, declare lineage. No decisions here."""
