"""From evidence to a request for retraining: facts, policy, restraints, requests."""
