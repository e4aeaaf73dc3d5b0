"""The model lifecycle itself: one room per stage. Nothing below this package imports airflow."""
