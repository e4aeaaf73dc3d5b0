"""Lineage from the store alone: what a model version was made of, and what a file or a dataset version has touched."""
