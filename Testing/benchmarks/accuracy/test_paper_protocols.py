"""The tables of the five publications as protocols: nothing is missing, and each kind of data can be trained."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.study.model import Role

from .data_set_files import write_data_set
from .data_sets import all_data_sets
from .protocol import PROTOCOLS, read_protocol, tiny_form
from .protocol_model import Protocol
from .published import published_number, published_rows, table_of
from .results import RESULTS
from .studies import make_studies, study_name
from .sweep import main
from .sweep_cells import Sweep, cell_spec, cells

PAPERS = {"cu2l": "CU2L", "cpcl": "CPCL", "aua": "AUA", "ss_net": "SS-Net", "unisemi": "UniSeMi"}
NAMES = sorted(path.stem for path in PROTOCOLS.glob("*_t*.toml") if re.search(r"_t\d", path.stem))
# What no protocol can show, and why.
WITHOUT_ROW = {
    ("AUA T1", "Supervised", "62"): "80 scans are distributed now, of which 60 are for training",
}
KINDS = {
    "cu2l_t2_c1": ("prostate_six_sites",),
    "cpcl_t1": ("brats2019",),
    "cpcl_t4": ("kits19",),
    "aua_t1": ("nih_pancreas",),
    "aua_t8": ("nih_pancreas",),
    "aua_t3": ("msd_colon",),
    "ss_net_t1": ("left_atrium",),
    "ss_net_t2": ("acdc",),
    "unisemi_t5": ("nih_pancreas", "left_atrium", "msd_spleen", "msd_lung"),
    "unisemi_t6": ("nih_pancreas", "left_atrium", "msd_spleen", "msd_lung"),
}
"""A protocol for each data set and each way in which rows use several."""


def tables_of(name: str) -> str:
    paper, _, table = name.partition("_t")
    return f"{PAPERS[paper]} T{table.partition('_')[0]}"


def shown(protocol: Protocol, table: str) -> list[tuple[str, ...]]:
    """Rows of published.csv, as table, data set, method, labeled and unlabeled cases, that stand beside a cell."""
    found = []
    for entry in published_rows():
        for labeled in protocol.counts:
            for row in protocol.rows_at(labeled):
                number = published_number(protocol.published, row, labeled, "dice")
                if table_of(entry) == table and number is not None and number.source == table:
                    same = float(entry["dice"]) == number.value and entry["method"] == row.published
                    if same and (row.scored or entry["labeled"] == str(labeled)):
                        found.append((entry["dataset"], entry["method"], entry["labeled"], entry["unlabeled"]))
    return found


def test_every_table_has_a_protocol() -> None:
    assert {tables_of(name) for name in NAMES} == {table_of(entry) for entry in published_rows()}


def test_every_published_row_stands_beside_a_cell() -> None:
    found = {(tables_of(name), *row) for name in NAMES for row in shown(read_protocol(name), tables_of(name))}
    missing = []
    for entry in published_rows():
        key = (table_of(entry), entry["dataset"], entry["method"], entry["labeled"], entry["unlabeled"])
        without = {(key[0], key[2]), (key[0], key[2], key[3])} & set(WITHOUT_ROW)
        assert not (without and key in found), f"{key} has a row by now"
        if not without and key not in found:
            missing.append(key)
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_a_method_settings_and_a_published_number(name: str) -> None:
    protocol, catalogue = read_protocol(name), load_catalogue()
    dimension = {"2d": 2, "3d": 3}[protocol.settings["dimension"]]
    assert protocol.published.tables[0] == tables_of(name)
    for labeled in protocol.labeled:
        for row in protocol.rows_at(labeled):
            assert published_number(protocol.published, row, labeled, "dice") is not None, row.title
            settings = catalogue.resolve(row.method, protocol.preset, protocol.settings_of(row), dimension)
            assert settings["dimension"] == protocol.settings["dimension"]
            assert settings["precision"] == "float32"
    if protocol.all_labeled:
        (row,) = protocol.rows_at(protocol.all_labeled)
        assert row.method == "supervised"
        assert published_number(protocol.published, row, protocol.all_labeled, "dice") is not None


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("cu2l_t2_c2", "cu2l", {"steps": 20000, "patch_size": "384x384", "external_batch": 12, "unlabeled_batch": 12}),
        ("cpcl_t4", "cpcl", {"steps": 20000, "network": "unet_3d", "window_stride": "64x64x64", "beta": 10.0}),
        ("aua_t2", "aua", {"steps": 12000, "boundary_weight": 0.01, "augmentation": "none", "patch_size": "96x96x96"}),
        ("aua_t6", "aua", {"steps": 6000, "boundary_weight": 0.03, "augmentation": "rotations"}),
        ("ss_net_t3", "ss_net", {"steps": 15000, "patch_size": "80x112x112", "window_stride": "4x18x18"}),
        ("ss_net_t2", "ss_net", {"steps": 30000, "patch_size": "256x256", "network": "unet_2d", "labeled_batch": 12}),
        ("unisemi_t2", "unisemi", {"optimizer": "adam", "learning_rate": 0.001, "labeled_batch": 4, "ramp_steps": 1}),
        ("unisemi_t7", "unisemi", {"optimizer": "adam", "network": "v_net_instance", "shared_anatomy": False}),
    ],
)
def test_trainings_have_the_published_settings(name: str, method: str, expected: dict) -> None:
    protocol = read_protocol(name)
    dimension = 2 if protocol.settings["dimension"] == "2d" else 3
    row = protocol.row(method)
    settings = load_catalogue().resolve(method, protocol.preset, protocol.settings_of(row), dimension)
    assert {key: settings[key] for key in expected} == expected


def test_tables_of_unisemi_share_its_training() -> None:
    tables = [read_protocol(f"unisemi_t{number}") for number in range(1, 5)]
    for title in ("UniSeMi", "UniSeMi with tasks"):
        first, *others = [(table.settings_of(table.row(title)), table.sets_of(table.row(title))) for table in tables]
        assert all(other == first for other in others)
    assert len({str(table.data.labeled) for table in tables}) == 1


def write_data(name: str, folder: Path) -> Path:
    sets = KINDS[name]
    for set_name in sets:
        write_data_set(set_name, folder / set_name, training=4)
    return folder if len(sets) > 1 else folder / sets[0]


@pytest.mark.parametrize("name", KINDS)
def test_every_row_can_be_planned_on_its_data(name: str, tmp_path: Path) -> None:
    data = write_data(name, tmp_path / "data")
    protocol = tiny_form(read_protocol(name))
    studies = make_studies(protocol, data, tmp_path / "sweep")
    for cell in cells(protocol):
        study = studies[study_name(protocol, cell.row, cell.labeled, cell.draw)]
        spec = cell_spec(Sweep(protocol), cell, study)
        sets = len(protocol.sets_of(cell.row)) or 1
        assert len(study.cases_of(Role.LABELED)) == 2 * sets
        assert len(study.cases_of(Role.VALIDATION)) == sets
        local = [case for case in study.cases_of(Role.UNLABELED) if not study.is_external(case)]
        assert len(local) == (cell.row.unlabeled or 2) * sets
        assert all((case.structures is not None) == (sets > 1) for case in spec.cases)


@pytest.mark.slow
@pytest.mark.timeout(800)
@pytest.mark.parametrize("name", KINDS)
def test_a_tiny_sweep_runs_on_its_data(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_data(name, tmp_path / "data")
    assert main([name, "--data", str(data), "--output", str(tmp_path / "sweep"), "--tiny"]) == 0, capsys.readouterr()
    protocol = tiny_form(read_protocol(name))
    with open(tmp_path / "sweep" / RESULTS / "scores.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "final"]
    assert {row["method"] for row in rows} == {row.title for row in protocol.methods}
    # Of several sets only the one that is scored.
    assert all(row["cases"] == "1" for row in rows)


def test_the_document_names_every_protocol_and_data_set() -> None:
    text = (PROTOCOLS.parents[3] / "Docs" / "benchmarks.md").read_text(encoding="utf-8")
    span = [f"unisemi_t{number}" for number in (2, 3)]
    assert [name for name in NAMES if f"`{name}`" not in text and name not in span] == []
    for name, entry in all_data_sets().items():
        assert f"`{name}`" in text, name
        assert entry.source.split(",")[0] in text, name
