"""Data-centric MLOps for Apache Airflow 3: validate, train, release and roll back models with evidence."""

__version__ = "0.1.0"
