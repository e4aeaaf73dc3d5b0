"""The Models page inside Airflow: a FastAPI app that Airflow's API server mounts, behind Airflow's own login."""
