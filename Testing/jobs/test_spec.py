from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SemiSupervisedSegLib.jobs.spec import SCHEMA_VERSION, JobCase, JobSpec
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Modality, Role, Structure

TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
CASE_ID = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
COLOR = st.tuples(*[st.integers(0, 255)] * 3)
CASE = st.builds(JobCase, CASE_ID, TEXT, TEXT, st.sampled_from(Role), st.booleans(), st.none() | TEXT)
STRUCTURE = st.builds(Structure, TEXT, st.integers(1, 255), COLOR, st.none() | TEXT)
SPEC = st.builds(
    JobSpec,
    kind=st.sampled_from(["train", "predict"]),
    method=TEXT,
    preset=TEXT,
    settings=st.dictionaries(TEXT, st.booleans() | st.integers() | NUMBER | TEXT, max_size=4),
    device=st.sampled_from(["auto", "cpu", "cuda", "cuda:1"]),
    seed=st.integers(0, 2**32 - 1),
    study_name=TEXT,
    modality=st.none() | st.sampled_from(Modality),
    structures=st.lists(STRUCTURE, max_size=3, unique_by=lambda item: item.label).map(tuple),
    cases=st.lists(CASE, max_size=4, unique_by=lambda case: case.id.casefold()).map(tuple),
    warm_start=st.none() | TEXT,
    continues=st.booleans(),
    model=st.none() | TEXT,
    versions=st.dictionaries(TEXT, TEXT, max_size=2),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def example(**changes: object) -> JobSpec:
    values = {
        "kind": "train",
        "method": "cu2l",
        "preset": "quick",
        "settings": {"steps": 10},
        "device": "cpu",
        "seed": 1,
        "study_name": "prostate",
        "modality": Modality.MR,
        "structures": (Structure("gland", 3, (1, 2, 3)),),
        "cases": (JobCase("a", "/a.nrrd", "s", Role.LABELED, False, "/b.nrrd"),),
    }
    return JobSpec(**(values | changes))


@given(SPEC)
def test_what_was_written_is_read(spec: JobSpec) -> None:
    read = JobSpec.from_json(spec.to_json())
    assert read == spec
    assert {name: type(value) for name, value in read.settings.items()} == {
        name: type(value) for name, value in spec.settings.items()
    }


@given(st.sampled_from([field.name for field in dataclasses.fields(JobSpec)]), JSON)
def test_any_value_in_any_place_is_read_or_refused_in_words(name: str, value: object) -> None:
    data = json.loads(example().to_json()) | {name: value}
    try:
        spec = JobSpec.from_json(json.dumps(data))
    except UserError:
        return
    assert JobSpec.from_json(spec.to_json()) == spec


@given(st.data())
def test_a_cut_or_spoiled_file_is_refused_in_words(data: st.DataObject) -> None:
    text = example().to_json()
    cut = data.draw(st.integers(0, len(text) - 3))
    with pytest.raises(UserError, match="damaged"):
        JobSpec.from_json(text[:cut] + data.draw(st.sampled_from(["", "\x00", "}}", "[" * 100_000])))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "destroy"),
        ("seed", True),
        ("seed", 1.5),
        ("settings", {"steps": None}),
        ("settings", {"steps": [1]}),
        ("modality", "XR"),
        ("cases", {}),
        ("structures", [{"name": "a", "label": 1, "color": [1, 2]}]),
        ("surprise", 1),
        ("study_name", "\ud800"),
        ("versions", {"\udfff": "1"}),
        ("settings", {"steps": float("nan")}),
    ],
)
def test_wrong_types_are_refused(name: str, value: object) -> None:
    data = json.loads(example().to_json()) | {name: value}
    with pytest.raises(UserError, match="damaged"):
        JobSpec.from_json(json.dumps(data))


def test_a_newer_file_is_refused_as_newer() -> None:
    data = json.loads(example().to_json()) | {"schema_version": SCHEMA_VERSION + 1, "surprise": 1}
    with pytest.raises(UserError, match="newer version"):
        JobSpec.from_json(json.dumps(data))


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "tpu"},
        {"seed": -1},
        {"cases": (JobCase("../a", "", "", Role.LABELED, False),)},
        {"cases": (JobCase("a", "", "", Role.LABELED, False), JobCase("A", "", "", Role.LABELED, False))},
        {"preview_cases": ("b",)},
        {"structures": (Structure("a", 1, (0, 0, 0)), Structure("b", 1, (0, 0, 0)))},
        {"structures": (Structure("a", 0, (0, 0, 0)),)},
    ],
)
def test_what_no_worker_could_do_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UserError):
        example(**changes)
