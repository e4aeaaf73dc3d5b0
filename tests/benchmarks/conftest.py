import sys
from pathlib import Path

# Benchmarks are scripts: they find each other because their own folder is on the path.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
