"""Model versions and the deployment log."""
