from __future__ import annotations

import copy
import dataclasses
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, load_study, save_study

CASES = (
    Case("a", "images/a.nrrd", "here", Role.LABELED, "annotations/a.seg.nrrd"),
    Case("b.2", "/data/b.nii.gz", "elsewhere", Role.UNLABELED),
    Case("c", "C:/data/c.nrrd", "here", Role.VALIDATION, "annotations/c.nrrd"),
)


@pytest.fixture
def full(study) -> Study:
    study = dataclasses.replace(study, cases=CASES)
    save_study(study)
    return study


def test_round_trip(full):
    loaded = load_study(full.folder)
    assert loaded == full
    assert loaded.structures[0].terminology == "Tissue~SCT^85756007^Tissue"
    assert loaded.modality is Modality.MR
    assert loaded.cases[1].role is Role.UNLABELED


def test_paths_and_sites(full):
    a, b, _ = full.cases
    assert full.image_path(a) == full.folder / "images" / "a.nrrd"
    assert full.annotation_path(a) == full.folder / "annotations" / "a.seg.nrrd"
    assert str(full.image_path(b)) == "/data/b.nii.gz"
    assert full.annotation_path(b) is None
    assert full.is_external(b) and not full.is_external(a)
    assert full.cases_of(Role.UNLABELED) == (b,)
    assert full.case("b.2") is b
    assert full.num_classes == 3
    with pytest.raises(UserError, match="no case 'zzz'"):
        full.case("zzz")


def test_create_keeps_an_existing_study(full):
    before = (full.folder / STUDY_FILE).read_bytes()
    with pytest.raises(UserError, match="There is a study"):
        create_study(full.folder, "New", "CT", "x", [Structure("s", 1, (0, 0, 0))])
    assert (full.folder / STUDY_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "modality", "site", "structures", "message"),
    [
        ("", "MR", "x", [("s", 1)], "'name'"),
        ("n", "US", "x", [("s", 1)], "one of MR, CT"),
        ("n", "MR", "x", [], "no structure"),
        ("n", "MR", "x", [("s", 0)], "from 1 to 255"),
        ("n", "MR", "x", [("s", 256)], "from 1 to 255"),
        ("n", "MR", "x", [("s", 1), ("t", 1)], "label value 1 occurs twice"),
        ("n", "MR", "x", [("s", 1), ("S", 2)], "structure name s occurs twice"),
        ("n", "MR", "x\ny", [("s", 1)], "'local_site'"),
    ],
)
def test_create_refuses_bad_values_and_makes_nothing(tmp_path, name, modality, site, structures, message):
    with pytest.raises(UserError, match=message):
        create_study(tmp_path / "s", name, modality, site, [Structure(n, v, (0, 0, 0)) for n, v in structures])
    assert not (tmp_path / "s").exists()


def test_eight_structures(tmp_path):
    structures = [Structure(f"structure {number}", 10 * number, (number, 0, 0)) for number in range(1, 9)]
    create_study(tmp_path, "n", "CT", "x", structures)
    assert load_study(tmp_path).structures == tuple(structures)


def test_missing_study(tmp_path):
    with pytest.raises(UserError, match="There is no study"):
        load_study(tmp_path)


def _broken(full: Study, change) -> str:
    path = full.folder / STUDY_FILE
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        load_study(full.folder)
    assert path.read_bytes() == before
    assert sorted(item.name for item in full.folder.iterdir()) == [STUDY_FILE]
    return caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema_version=99, structures="new"), "newer version"),
        (lambda c: c.update(schema_version=True), "'schema_version'"),
        (lambda c: c.pop("cases"), "has no 'cases'"),
        (lambda c: c.update(extra=1), "unknown entry 'extra'"),
        (lambda c: c["cases"].append(c["cases"][0] | {"id": "A"}), "case id a occurs twice"),
        (lambda c: c["cases"][0].update(id="../a"), "case id '../a'"),
        (lambda c: c["cases"][0].update(id="a\n"), "'id'"),
        (lambda c: c["cases"][0].update(image="images/../../secret.nrrd"), "out of the study folder"),
        (lambda c: c["cases"][0].update(image="images\\..\\..\\secret.nrrd"), "out of the study folder"),
        (lambda c: c["cases"][0].update(annotation="C:secret.nrrd"), "out of the study folder"),
        (lambda c: c["cases"][1].update(role="training"), "labeled, unlabeled, validation, ignored"),
        (lambda c: c["cases"][1].update(site=3), "case b.2 .*'site', not 3"),
        (lambda c: c["cases"].append(None), "case number 4 is not an object"),
        (lambda c: c["structures"][0].update(color=[1, 2]), "structure chamber .*'color'"),
        (lambda c: c["structures"][0].update(label=1.0), "'label'"),
    ],
)
def test_bad_content_is_named_and_left_alone(full, change, message):
    assert re.search(message, _broken(full, change))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": ' + b"9" * 5000 + b"}", b"null", b"[]", b"\x00"],
)
def test_damaged_file_is_left_alone(full, raw):
    path = full.folder / STUDY_FILE
    path.write_bytes(raw)
    with pytest.raises(UserError):
        load_study(full.folder)
    assert path.read_bytes() == raw


def test_save_refuses_bad_values_and_keeps_the_file(full):
    before = (full.folder / STUDY_FILE).read_bytes()
    twice = dataclasses.replace(full, cases=(*full.cases, full.cases[0]))
    with pytest.raises(UserError, match="occurs twice"):
        save_study(twice)
    assert (full.folder / STUDY_FILE).read_bytes() == before


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["..", "/", "MR"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _slots(node, found=None):
    """Every (container, key) of a JSON tree."""
    found = [] if found is None else found
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        found.append((node, key))
        if isinstance(value, dict | list):
            _slots(value, found)
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_a_value_loads_or_is_a_user_error(full, data):
    content = copy.deepcopy(full.to_dict())
    for _ in range(data.draw(st.integers(1, 2))):
        slots = _slots(content)
        container, key = slots[data.draw(st.integers(0, len(slots) - 1))]
        if data.draw(st.booleans()):
            container[key] = data.draw(_JSON)
        else:
            del container[key]
    _loads_or_explains(full, json.dumps(content).encode())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 1500), length=st.integers(0, 40), replacement=st.binary(max_size=12))
def test_any_damage_of_bytes_loads_or_is_a_user_error(full, start, length, replacement):
    raw = json.dumps(full.to_dict(), indent=2).encode()
    _loads_or_explains(full, raw[:start] + replacement + raw[start + length :])


def _loads_or_explains(full: Study, raw: bytes) -> None:
    path = full.folder / STUDY_FILE
    path.write_bytes(raw)
    try:
        loaded = load_study(full.folder)
    except UserError as error:
        assert error.message.endswith(".")
    else:
        # What was accepted can be saved without loss.
        assert Study.from_dict(full.folder, loaded.to_dict()) == loaded
    assert path.read_bytes() == raw
