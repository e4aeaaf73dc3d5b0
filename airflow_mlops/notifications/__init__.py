"""Alerts on their way to people, by the notifiers of any Airflow provider."""
