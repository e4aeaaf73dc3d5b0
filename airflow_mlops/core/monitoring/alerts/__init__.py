"""Alerts: what people are told, once for one cause."""
