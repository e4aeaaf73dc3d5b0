"""Training in a job on SageMaker: asked for, followed, stopped, and its model collected.

The job runs :func:`airflow_mlops.core.training.run.train` whole, in SageMaker's XGBoost container. It reads the dataset
version from the store and puts the model there, so what it leaves is the same as that of a training right here.
"""
