"""What runs inside SageMaker's containers: the entry points of training and serving. Airflow is not there."""
