"""Sensors: wait for evidence."""
