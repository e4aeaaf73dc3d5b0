"""What runs inside SageMaker's containers: a training job, and the model behind an endpoint."""
