"""One model's endpoint on SageMaker: planned by pure functions, carried out step by step, proved by what is live."""
