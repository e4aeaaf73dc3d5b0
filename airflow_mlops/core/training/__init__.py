"""Trainers, features and the predictor: from a dataset version to a model that answers."""

import os

# XGBoost's threads wait for one another by spinning. Where other processes want the cores too, as beside Airflow and an
# endpoint, that made a training 5 to 10 times slower (measured on 2 cores); sleeping costs nothing on an idle machine.
# The runtime reads this once, when XGBoost is first imported, which in this package happens after this line.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
