"""Watching a model: drift of the captured traffic, and the policy that asks for retraining."""
