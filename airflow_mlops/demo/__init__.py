"""The demo: a real Airflow on this machine, driven by REST from data to a promoted model and back."""
