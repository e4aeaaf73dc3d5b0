"""``airflow-mlops``: one module per command, each with ``add_parser(subparsers)`` that sets ``func``."""
