"""What a spec accepts, and that each mistake is one line which names the field, what was given and what is allowed."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import Gate
from airflow_mlops.spec import (
    Canary,
    Data,
    Evaluation,
    Expectation,
    Fallback,
    Features,
    ModelSpec,
    Monitoring,
    Retrain,
    Rollout,
    Serving,
    Shadow,
    Split,
    Training,
    Validation,
)

YAML = """
name: orders
data: {source: orders/*.parquet, event_time: ordered, label: late}
features: {columns: [amount, country]}
split: {test: 10d}
training: {params: {max_depth: 4, eta: 0.1}}
evaluation: {gates: [{metric: auc, min: 0.6}]}
rollout:
  shadow: {gates: [{metric: error_rate, margin: 0.01}]}
  canary: {steps: [0.1, 0.5], gates: [{metric: latency, margin: 0.02, threshold: 50}]}
"""


def fields(**over: Any) -> dict[str, Any]:
    """A spec's fields as a mapping; ``a__b`` replaces one field of a section."""
    base: dict[str, Any] = {
        "name": "orders",
        "data": {"source": "orders/*.parquet", "event_time": "ordered", "label": "late"},
        "features": {"columns": ["amount", "country"]},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    }
    for name, value in over.items():
        section, _, field = name.partition("__")
        if field:
            base[section] = {**base.get(section, {}), field: value}
        else:
            base[section] = value
    return base


def refusal(**over: Any) -> str:
    with pytest.raises(SpecError) as caught:
        ModelSpec(**fields(**over))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "spec.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_yaml_and_python_say_the_same(tmp_path: Path) -> None:
    from_python = ModelSpec(
        name="orders",
        data=Data(source="orders/*.parquet", event_time="ordered", label="late"),
        features=Features(columns=("amount", "country")),
        split=Split(test=timedelta(days=10)),
        training=Training(params={"max_depth": 4, "eta": 0.1}),
        evaluation=Evaluation(gates=(Gate(metric="auc", min=0.6),)),
        rollout=Rollout(
            shadow=Shadow(gates=(Gate(metric="error_rate", margin=0.01),)),
            canary=Canary(steps=(0.1, 0.5), gates=(Gate(metric="latency", margin=0.02, threshold=50),)),
        ),
    )
    assert ModelSpec.from_yaml(write(tmp_path, YAML)) == from_python


def test_the_worked_example_is_a_spec() -> None:
    spec = ModelSpec.from_yaml(Path(__file__).parents[1] / "dags" / "flight_delay.yaml")
    assert spec.data.label not in spec.features.columns


@pytest.mark.parametrize(
    "over, says",
    [
        ({"monitering": {}}, "monitering: unknown field; did you mean monitoring?"),
        ({"training__round": 3}, "training.round: unknown field; did you mean rounds?"),
        (
            {"data__bucket": "b"},
            "data.bucket: unknown field; allowed: arrival, connection, delta, event_time, id, joins,",
        ),
        (
            {"evaluation__gates": [{"metric": "auc", "mins": 0.6}]},
            "evaluation.gates.0.mins: unknown field; did you mean min?",
        ),
        ({"rollout__shadow": {"gate": []}}, "rollout.shadow.gate: unknown field; did you mean gates?"),
        ({"name": "Orders 1"}, "name: given 'Orders 1'"),
        ({"name": "orders\n"}, "name: given 'orders\\n'"),
        ({"name": "orders__weather"}, "name: given 'orders__weather'"),
        ({"data": {"source": "a/*.csv"}}, "data.event_time: missing | data.label: missing"),
        ({"data__source": "s3://bucket/*.csv"}, "set the root in the mlops connection"),
        ({"data__source": "/etc/*.csv"}, "not a place of its own"),
        ({"data__source": "../x/*.csv"}, "not a place of its own"),
        ({"data__source": "orders/*.json"}, "source ends in .parquet, .csv or .jsonl"),
        ({"features__columns": []}, "features.columns: given []"),
        ({"features__function": "orders_features.py"}, "features.function: given 'orders_features.py'"),
        ({"split": {"test": 30}}, "split.test: given 30; a duration is a number above 0 with a unit"),
        ({"split": {"test": "0d"}}, "split.test: given '0d'; a duration is a number above 0"),
        ({"split": {"test": timedelta(days=-1)}}, "split.test"),
        ({"split": {"test": "99999999999999d"}}, "a duration is at most 999999999 days"),
        ({"training": {"objective": "ranking"}}, "training.objective: given 'ranking'"),
        ({"training": {"rounds": 0}}, "training.rounds: given 0"),
        ({"training": {"params": {"seed": 1}}}, "params can't set seed"),
        ({"training": {"params": {"eta": math.nan}}}, "training.params.eta"),
        ({"evaluation": {}}, "evaluation.gates: missing"),
        ({"evaluation": {"gates": []}}, "evaluation.gates: given []"),
        (
            {"evaluation__gates": [{"metric": "acu", "min": 0.6}]},
            "metric 'acu' is unknown; known are accuracy, auc",
        ),
        (
            {"evaluation__gates": [{"metric": "auc"}]},
            "exactly one limit of min, max, margin; this one has none",
        ),
        ({"evaluation__gates": [{"metric": "auc", "min": 0, "max": 1}]}, "this one has ['min', 'max']"),
        ({"evaluation__gates": [{"metric": "auc", "min": math.nan}]}, "evaluation.gates.0.min: given nan"),
        ({"rollout": {}}, "a rollout has a shadow stage, a canary stage or both"),
        ({"rollout__alpha": 0.5}, "rollout.alpha: given 0.5"),
        ({"rollout__shadow": {"gates": []}}, "rollout.shadow.gates: given []"),
        (
            {"rollout__canary": {"steps": [0.5, 0.1], "gates": [{"metric": "error_rate", "max": 0.1}]}},
            "steps rise, for example [0.1, 0.5]",
        ),
        ({"rollout__canary": {"steps": [1.0], "gates": []}}, "rollout.canary.steps.0.weight: given 1.0"),
        ({"serving": {"fallback": {"by": "country"}}}, "serving.fallback.default: missing"),
        (
            {"validation": {"expectations": [{"type": "not_null"}]}},
            "validation.expectations.0.type: given 'not_null'",
        ),
        (
            {"validation": {"expectations": [{"type": "expect_x", "min_value": math.inf}]}},
            "validation.expectations.0",
        ),
        ({"validation": {"expectations": [{"type": "expect_x", "value": {1}}]}}, "given set"),
    ],
)
def test_a_mistake_is_one_line_with_field_and_remedy(over: dict[str, Any], says: str) -> None:
    assert says in refusal(**over)


def test_all_mistakes_are_named_at_once() -> None:
    said = refusal(training__round=3, split={"test": "x"}, owner="")
    assert all(place in said for place in ("training.round", "split.test", "owner"))
    assert said.startswith("ModelSpec: ")


def test_a_section_of_its_own_names_itself() -> None:
    with pytest.raises(SpecError, match="Training: rounds: given 'many'"):
        Training(rounds="many")


def test_a_long_value_is_cut() -> None:
    assert len(refusal(owner=["x" * 10_000])) < 400


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "holds no spec; given an empty file; expected a mapping of sections"),
        ("# nothing\n", "given an empty file"),
        ("- a\n- b\n", "given list"),
        ("orders", "given str"),
        ("name: [orders", "is not YAML in line 2"),
        ("a: b: c", "is not YAML in line 1: mapping values are not allowed"),
        ("a: 1\n---\nb: 2\n", "is not YAML in line 2: but found another document"),
        ("since: 2013-13-45\n", "is not YAML: month must be in 1..12"),
        ("name: \x00", "is not YAML"),
        (b"name: \xff\xfe", "it is not UTF-8 text"),
        (
            "name: !!python/object/apply:os.system ['true']",
            "is not YAML in line 1: could not determine a constructor",
        ),
        ("name: orders\ndata: {}\nname: other\n", "name is given twice; the second time in line 3"),
        ("1: orders\n", "ModelSpec: 1: unknown field; names of fields are text"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_file_that_holds_no_spec_is_one_line(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        ModelSpec.from_yaml(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gate_that_is_given_twice_is_not_lost_in_silence(tmp_path: Path) -> None:
    twice = YAML.replace("evaluation:", "evaluation: {gates: [{metric: log_loss, max: 0.1}]}\nevaluation:")
    with pytest.raises(SpecError, match="evaluation is given twice"):
        ModelSpec.from_yaml(write(tmp_path, twice))


def test_anchors_and_merges_are_no_doubles(tmp_path: Path) -> None:
    text = YAML.replace(
        "{gates: [{metric: error_rate", "&s {max_duration: 2h, gates: [{metric: error_rate"
    ).replace("canary: {steps", "canary: {<<: *s, steps")
    spec = ModelSpec.from_yaml(write(tmp_path, text))
    assert spec.rollout.canary is not None
    assert spec.rollout.canary.max_duration == timedelta(hours=2)
    assert spec.rollout.canary.gates[0].metric == "latency"


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"spec file is missing; given .*nothing.yaml; expected a YAML file"):
        ModelSpec.from_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(SpecError, match="spec file can't be read: Is a directory"):
        ModelSpec.from_yaml(tmp_path)


@pytest.mark.parametrize("what", [None, "orders", ["name"], 3])
def test_what_is_no_mapping_is_no_spec(what: object) -> None:
    with pytest.raises(SpecError, match=r"not a model spec; given .*; expected a mapping"):
        ModelSpec.from_mapping(what)


def test_overrides_are_merged_into_sections() -> None:
    spec = ModelSpec(**fields(training={"rounds": 50, "params": {"max_depth": 4, "eta": 0.1}}))
    other = spec.with_overrides({"training": {"seed": 7, "params": {"eta": 0.3}}, "split": {"test": "7d"}})
    assert other.training.rounds == 50
    assert other.training.seed == 7
    assert other.training.params == {"max_depth": 4, "eta": 0.3}
    assert other.split.test == timedelta(days=7)
    assert spec.training.seed == 0
    assert spec.with_overrides({}) == spec
    assert spec.with_overrides({"name": "orders"}) == spec


def test_an_override_replaces_lists_and_removes_with_null() -> None:
    spec = ModelSpec(**fields(features__categorical=["country"], split={"validation": "3d"}))
    other = spec.with_overrides({"features": {"columns": ["amount"]}, "split": {"validation": None}})
    assert other.features.columns == ("amount",)
    assert other.split.validation is None


@pytest.mark.parametrize(
    "overrides, says",
    [
        ({"name": "other"}, "name can't be overridden; given other; expected orders"),
        ({"training": {"round": 3}}, "training.round: unknown field; did you mean rounds?"),
        ({"evaluation": {"gates": []}}, "evaluation.gates"),
        ({"rollout": {"shadow": None}}, "a rollout has a shadow stage"),
        ({"training": 3}, "training"),
        ({3: {}}, "names of fields are text"),
        ("rounds=3", "overrides are no mapping; given 'rounds=3'"),
    ],
)
def test_wrong_overrides_are_refused(overrides: Any, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        ModelSpec(**fields()).with_overrides(overrides)
    assert says in str(caught.value)


def test_a_spec_can_not_be_changed() -> None:
    spec = ModelSpec(**fields())
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"
    with pytest.raises(ValidationError, match="frozen"):
        spec.data.label = "other"


def test_the_stages_of_a_rollout_in_order() -> None:
    gates = [{"metric": "error_rate", "max": 0.1}]
    shadow, canary = {"gates": gates}, {"steps": [0.1, 0.5], "gates": gates}
    assert Rollout(shadow=shadow).stages == (("shadow", 0.0),)
    assert Rollout(canary=canary).stages == (("canary", 0.1), ("canary", 0.5))
    assert Rollout(shadow=shadow, canary=canary).stages == (("shadow", 0.0), ("canary", 0.1), ("canary", 0.5))


def test_arguments_of_an_expectation_are_json(tmp_path: Path) -> None:
    text = YAML + (
        "validation: {expectations: [{type: expect_column_max_to_be_between, column: ordered, max_value: 2024-01-31}]}"
    )
    spec = ModelSpec.from_yaml(write(tmp_path, text))
    assert spec.validation.expectations[0].arguments == {"column": "ordered", "max_value": "2024-01-31"}
    assert spec.validation.expectations[0].severity == "fail"
    assert ModelSpec(**spec.to_dict()) == spec


@pytest.mark.parametrize(
    "text, duration",
    [
        ("90s", timedelta(seconds=90)),
        (" 10m ", timedelta(minutes=10)),
        ("1.5h", timedelta(minutes=90)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("0.000001s", timedelta(microseconds=1)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert Split(test=text).test == duration


@pytest.mark.parametrize(
    "text", ["10", "10 m", "-1d", "1d2h", "1.d", "\u0661d", "", "d", "0.0000001s", "1d\n1d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(SpecError, match="a duration is a number above 0 with a unit"):
        Split(test=text)


@given(st.timedeltas(min_value=timedelta(microseconds=1)))
def test_every_duration_survives_its_text(duration: timedelta) -> None:
    assert Split(**Split(test=duration).model_dump(mode="json")).test == duration


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_a_gate_in_words(metric: str) -> None:
    assert Gate(metric=metric, min=0.5).limit_text == "at least 0.5"
    assert Gate(metric=metric, max=0.5).limit_text == "at most 0.5"
    assert Gate(metric=metric, margin=0).limit_text == "at most 0 worse than the champion"
    assert Gate(metric=metric, min=1).direction == ("higher" if metric == "auc" else "lower")
    assert Gate(metric=metric, min=1, slice="carrier=UA").name == f"{metric}[carrier=UA]"


# --- any valid spec survives the way through JSON that it takes between the tasks of a run ---

numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.from_regex(r"[a-z][a-z0-9_]{0,20}[a-z0-9]", fullmatch=True)
words = st.text(min_size=1, max_size=20)
durations = st.timedeltas(min_value=timedelta(microseconds=1))
gates = st.builds(
    lambda metric, limit, value, slice_: Gate(metric=metric, slice=slice_, **{limit: value}),
    st.sampled_from(["auc", "log_loss", "error_rate", "latency"]),
    st.sampled_from(["min", "max", "margin"]),
    numbers,
    st.none() | words,
)
some_gates = st.lists(gates, min_size=1, max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=10) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
expectations = st.builds(
    lambda arguments: Expectation(**{**arguments, "type": "expect_x", "severity": "warn"}),
    st.dictionaries(words, json_values, max_size=3),
)
stages: dict[str, Any] = {
    "gates": some_gates,
    "min_samples": st.integers(1, 10**9),
    "max_duration": durations,
}
shadows = st.builds(Shadow, **stages)
canaries = st.builds(
    Canary,
    steps=st.lists(
        st.floats(0, 1, exclude_min=True, exclude_max=True), min_size=1, max_size=4, unique=True
    ).map(sorted),
    **stages,
)
specs = st.builds(
    ModelSpec,
    name=names,
    description=st.text(max_size=20),
    owner=words,
    data=st.builds(Data, source=st.just("a/*.csv"), event_time=words, label=words, id=st.none() | words),
    validation=st.builds(Validation, expectations=st.lists(expectations, max_size=2)),
    features=st.builds(
        Features, columns=st.lists(words, min_size=1, max_size=3), categorical=st.lists(words, max_size=2)
    ),
    split=st.builds(Split, test=durations, validation=st.none() | durations),
    training=st.builds(
        Training,
        objective=st.sampled_from(["binary", "regression"]),
        rounds=st.integers(1, 100_000),
        seed=st.integers(0, 2**31 - 1),
        params=st.dictionaries(
            st.sampled_from(["eta", "a"]), numbers | st.integers() | st.booleans() | st.text(max_size=5)
        ),
    ),
    evaluation=st.builds(Evaluation, gates=some_gates, slices=st.lists(words, max_size=2)),
    rollout=st.builds(Rollout, shadow=shadows)
    | st.builds(Rollout, shadow=st.none() | shadows, canary=canaries),
    serving=st.builds(
        Serving,
        key=st.lists(words, max_size=2),
        fallback=st.none()
        | st.builds(
            Fallback,
            default=numbers,
            by=st.none() | words,
            values=st.dictionaries(words, numbers, max_size=2),
        ),
    ),
    monitoring=st.builds(
        Monitoring,
        window=durations,
        retrain=st.builds(Retrain, drift_share=st.floats(0, 1, exclude_min=True), cooldown=durations),
    ),
)


@given(specs)
def test_a_spec_survives_its_plain_values(spec: ModelSpec) -> None:
    plain = spec.to_dict()
    assert ModelSpec(**plain) == spec
    assert ModelSpec(**plain).to_dict() == plain


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(fields())), json_like)
def test_nonsense_is_a_spec_error_of_one_line(section: str, value: Any) -> None:
    said = ""
    try:
        ModelSpec(**fields(**{section: value}))
    except SpecError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1
