from __future__ import annotations

from airflow_mlops.core.reproduction.differences import differences, in_words, needed_packages
from airflow_mlops.core.reproduction.record import Difference
from airflow_mlops.core.training.environment import Lock, closure, environment_lock
from airflow_mlops.core.training.features import FeatureSource

RECORDED = Lock("3.11.7", "linux x86_64", {"numpy": "2.3.1", "pandas": "2.3.3", "xgboost": "3.0.5"})


def test_python_the_platform_and_packages_in_this_order() -> None:
    found = Lock("3.11.9", "linux aarch64", {"numpy": "2.4.6", "pandas": "2.3.3", "xgboost": "3.0.5"})
    assert differences(RECORDED, found, {"pandas", "numpy"}) == (
        Difference(name="python", recorded="3.11.7", found="3.11.9"),
        Difference(name="platform", recorded="linux x86_64", found="linux aarch64"),
        Difference(name="numpy", recorded="2.3.1", found="2.4.6"),
    )


def test_the_same_module_from_another_package_is_a_difference() -> None:
    found = Lock("3.11.7", "linux x86_64", {"numpy": "2.3.1", "xgboost-cpu": "3.0.5"})
    (one,) = differences(RECORDED, found, {"numpy", "xgboost"})
    assert one == Difference(name="xgboost", recorded="3.0.5", found="3.0.5 (xgboost-cpu)")


def test_what_is_missing_and_what_came_in_addition() -> None:
    found = differences(RECORDED, Lock("3.11.7", "linux x86_64", {"six": "1.17"}), {"numpy", "six"})
    assert [(one.name, one.recorded, one.found) for one in found] == [
        ("numpy", "2.3.1", None),
        ("six", None, "1.17"),
    ]
    assert in_words(found) == "numpy missing instead of 2.3.1, six 1.17 instead of none"


def test_a_lock_without_a_head_says_nothing_of_python() -> None:
    assert differences(Lock(None, None, {}), RECORDED, ()) == ()


def test_many_are_told_in_short() -> None:
    names = [f"p{number}" for number in range(9)]
    found = differences(RECORDED, Lock("3.11.7", "linux x86_64", dict.fromkeys(names, "1")), names)
    assert in_words(found).endswith("p4 1 instead of none and 4 more")


def test_what_the_feature_code_imports_is_needed_too() -> None:
    lock = Lock.parse(environment_lock())
    source = FeatureSource("m", "f", b"import json\nimport scipy.stats\nfrom yaml import load\n")
    assert set(needed_packages(lock, ["numpy", "nothing"], source, "smote")) == {
        "numpy",
        "scipy",
        "pyyaml",
        "imbalanced-learn",
    }
    assert needed_packages(lock, ["numpy"], None, None) == ("numpy",)


def test_a_closure_follows_requirements_but_no_extras() -> None:
    locked = Lock.parse(environment_lock()).packages
    found = closure(["pandas"], locked)
    assert {"pandas", "numpy", "python-dateutil", "six"} <= found
    assert not {"pytest", "pyarrow", "apache-airflow"} & found
