"""Asking people about a version: when, with what evidence, whose answers count, and what it takes to go on."""
