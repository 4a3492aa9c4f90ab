from __future__ import annotations

from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.study.errors import UserError

from .protocol import PROTOCOLS, quick_form, read_protocol
from .published import check_published, published_number

MINIMAL = """
name = "Test"
labeled = [2]
seeds = [0]
preset = "quick"
reference = "supervised"
[data]
kind = "phantom"
[settings]
steps = 5
unlabeled_batch = 3
[[methods]]
method = "supervised"
[[methods]]
method = "mean_teacher"
title = "MT, strong"
settings = { consistency_weight = 2, steps = 9 }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "protocol.toml"
    path.write_text(text)
    return path


def test_settings_of_a_row_are_those_for_all_that_it_has_and_its_own(tmp_path: Path) -> None:
    protocol = read_protocol(write(tmp_path, MINIMAL))
    supervised, mean_teacher = (protocol.settings_of(row) for row in protocol.methods)
    assert supervised == {"steps": 5, "validation_interval": 0, "preview_interval": 0}
    assert mean_teacher["unlabeled_batch"] == 3
    assert mean_teacher["steps"] == 9
    assert [row.title for row in protocol.methods] == ["Supervised", "MT, strong"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "Test"', "name = ", "cannot be read"),
        ('name = "Test"\n', "", "has no 'name'"),
        ("seeds", "seed", "unknown entry 'seed'"),
        ("labeled = [2]", "labeled = [2, 2]", "labeled has to be different whole numbers from 1"),
        ("labeled = [2]", "labeled = []", "labeled has to be"),
        ("seeds = [0]", "seeds = [-1]", "seeds has to be"),
        ("seeds = [0]", "seeds = [0]\ndraws = [1, 1]", "draws has to be different whole numbers from 0"),
        ('"supervised"\n[[', '"supervised"\nloop = "mine"\n[[', "'loop' has a value that it cannot have"),
        ('method = "mean_teacher"', 'method = "cpcl"\nloop = "public"', "cpcl has no public loop"),
        ('title = "MT, strong"', 'loop = "public"', "the public loop has no setting 'consistency_weight'"),
        ('kind = "phantom"', 'kind = "left_atrium"\n[[methods]]\nmethod = "supervised"\nloop = "public"', "on slices"),
        ("labeled = [2]", "labeled = 2", "'labeled' is not a list"),
        ('"mean_teacher"', '"mean_techer"', "There is no method 'mean_techer'"),
        ('preset = "quick"', 'preset = "fast"', "There is no preset 'fast'"),
        ('"supervised"\n[data]', '"cpcl"\n[data]', "has no method 'cpcl'"),
        ("steps = 5", "steps = 0", "steps cannot be 0"),
        ("steps = 5", "stepps = 5", "none of its methods has the setting 'stepps'"),
        ("steps = 5", "validation_interval = 5", "validation_interval cannot be set"),
        ('kind = "phantom"', 'kind = "brats"', "'kind' has a value that it cannot have"),
        ('kind = "phantom"', 'kind = "acdc"\n[[methods]]\nmethod = "cu2l"', "CU2L needs images of other sites"),
        ('title = "MT, strong"', 'title = "Supervised"', "two rows have the same title"),
        ("[data]", 'metrics = ["dise"]\n[data]', "the metric 'dise' is unknown"),
        ("[settings]", '[quick]\nmethods = ["bcp"]\n[settings]', "has no method 'bcp'"),
        ("seeds = [0]", "seeds = [0]\nall_labeled = 2", "all_labeled has to be more than labeled"),
        ("seeds = [0]", 'seeds = [0]\nbase = "nothing"', "There is no protocol nothing"),
        ('kind = "phantom"', 'kind = "phantom"\nsets = ["kits19"]', "only data of the kind sets"),
        ('kind = "phantom"', 'kind = "sets"', "it needs the names of different data sets"),
        ('kind = "phantom"', 'kind = "sets"\nsets = ["kits20"]', "There is no data set 'kits20'"),
        ('kind = "phantom"', 'kind = "sets"\nsets = ["kits19"]\nlocal_site = "UCL"', "has no local site 'UCL'"),
        ('kind = "phantom"', 'kind = "sets"\nsets = ["prostate_six_sites"]', "has no local site ''"),
        ('kind = "phantom"', 'kind = "sets"\nsets = ["kits19"]\ntest = { acdc = 3 }', "acdc is none of its data sets"),
        (
            'kind = "phantom"',
            'kind = "sets"\nsets = ["kits19"]\nlabeled = { kits19 = [] }',
            "one number for each of [2]",
        ),
        ('kind = "phantom"', 'kind = "sets"\nsets = ["kits19", "acdc"]', "annotated for different structures"),
        ("steps = 9 }", 'steps = 9 }\nscored = "acdc"', "MT, strong names 'acdc', which is none of its data sets"),
        ("steps = 9 }", "steps = 9 }\nunlabeled = 3", "only data of the kind sets have a number of unlabeled"),
        ('kind = "phantom"', 'kind = "acdc"\n[[methods]]\nmethod = "cps"\nother_sites = false', "and there are none"),
        (
            'kind = "phantom"',
            'kind = "acdc"\nsites = "as needed"\n[[methods]]\nmethod = "cps"\nother_sites = false',
            "CPS is to do without images of other sites, and there are none",
        ),
        ("steps = 9 }", 'steps = 9 }\n[[methods]]\nmethod = "cu2l"\nother_sites = false', "CU2L is to do without"),
    ],
)
def test_bad_protocols_end_in_one_sentence(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in MINIMAL
    with pytest.raises(UserError) as raised:
        read_protocol(write(tmp_path, MINIMAL.replace(old, new)))
    assert words in raised.value.message
    assert raised.value.message.endswith(".")
    assert raised.value.advice


def test_a_public_loop_is_a_row_of_its_own_title(tmp_path: Path) -> None:
    text = MINIMAL + '[[methods]]\nmethod = "mean_teacher"\nloop = "public"\n'
    protocol = read_protocol(write(tmp_path, text))
    assert [row.title for row in protocol.methods] == ["Supervised", "MT, strong", "Mean Teacher, public loop"]
    assert protocol.row("mean_teacher").title == "MT, strong"
    public = protocol.row("Mean Teacher, public loop")
    # Batches are those of the publication.
    assert protocol.settings_of(public) == {"steps": 5, "validation_interval": 0, "preview_interval": 0}


def test_a_protocol_says_what_differs_from_its_base(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(MINIMAL)
    text = f'base = "{(tmp_path / "base.toml").as_posix()}"\nname = "Other"\n[settings]\nsteps = 7\n'
    protocol = read_protocol(write(tmp_path, text))
    assert (protocol.name, protocol.labeled) == ("Other", (2,))
    assert protocol.settings == {"steps": 7, "unlabeled_batch": 3}
    assert [row.title for row in protocol.methods] == ["Supervised", "MT, strong"]
    # Rows are not merged.
    rows = '[[methods]]\nmethod = "supervised"\n[[methods]]\nmethod = "cps"\n'
    protocol = read_protocol(write(tmp_path, text + rows))
    assert [row.title for row in protocol.methods] == ["Supervised", "CPS"]


def test_a_protocol_cannot_be_based_on_itself(tmp_path: Path) -> None:
    path = tmp_path / "protocol.toml"
    with pytest.raises(UserError, match="its base protocol is based on itself"):
        read_protocol(write(tmp_path, f'base = "{path.as_posix()}"\n'))


def test_with_all_cases_labeled_only_methods_without_unlabeled_images_are_trained(tmp_path: Path) -> None:
    protocol = read_protocol(write(tmp_path, MINIMAL.replace("seeds", "all_labeled = 9\nseeds", 1)))
    assert protocol.counts == (2, 9)
    assert [row.method for row in protocol.rows_at(2)] == ["supervised", "mean_teacher"]
    assert [row.method for row in protocol.rows_at(9)] == ["supervised"]


def test_of_several_sets_methods_of_one_task_take_the_scored_one(tmp_path: Path) -> None:
    data = 'kind = "sets"\nsets = ["msd_lung", "msd_spleen"]\nscored = "msd_spleen"'
    text = MINIMAL.replace('kind = "phantom"', data) + '[[methods]]\nmethod = "unisemi"\n'
    protocol = read_protocol(write(tmp_path, text))
    assert [protocol.sets_of(row) for row in protocol.methods] == [
        ("msd_spleen",),
        ("msd_spleen",),
        ("msd_lung", "msd_spleen"),
    ]


def test_a_missing_protocol_names_the_included_ones() -> None:
    with pytest.raises(UserError, match=r"There is no protocol nothing\. .*left_atrium"):
        read_protocol("nothing")


def test_the_quick_form_wins_over_rows(tmp_path: Path) -> None:
    text = MINIMAL + '[quick]\nseeds = [7]\nmethods = ["supervised", "MT, strong"]\nsettings = { steps = 1 }\n'
    protocol = quick_form(read_protocol(write(tmp_path, text)))
    assert protocol.seeds == (7,)
    assert [protocol.settings_of(row)["steps"] for row in protocol.methods] == [1, 1]
    assert protocol.settings_of(protocol.methods[1])["consistency_weight"] == 2
    with pytest.raises(UserError, match="has no quick form"):
        quick_form(protocol)


@pytest.mark.parametrize("name", sorted(path.stem for path in PROTOCOLS.glob("*.toml")))
def test_included_protocols_are_sound(name: str) -> None:
    protocol = read_protocol(name)
    for row in protocol.methods:
        settings = protocol.settings_of(row)
        assert settings["validation_interval"] == 0
        load_catalogue().resolve(row.method, protocol.preset, settings, 3 if settings.get("dimension") == "3d" else 2)
    if protocol.published is not None:
        check_published(protocol.published, protocol.methods)


def test_the_acdc_protocol_has_methods_of_the_catalogue_at_their_published_length() -> None:
    protocol = read_protocol("acdc")
    catalogue = load_catalogue()
    assert {row.method for row in protocol.methods} <= set(catalogue.methods)
    for row in protocol.methods:
        settings = catalogue.resolve(row.method, protocol.preset, protocol.settings_of(row), 2)
        assert settings["steps"] == (40000 if row.method == "bcp" else 30000)
        assert (settings["patch_size"], settings["network"]) == ("256x256", "unet_2d")


def test_published_numbers_come_from_the_first_table_that_has_them() -> None:
    protocol = read_protocol("left_atrium")
    row = protocol.row("UA-MT")
    found = [published_number(protocol.published, row, labeled, "dice") for labeled in (4, 8, 16)]
    assert [(item.value, item.source) for item in found] == [
        (82.26, "SS-Net T1"),
        (87.79, "SS-Net T1"),
        (88.88, "AUA T4"),
    ]
    assert published_number(protocol.published, row, 8, "hd95_voxel").value == 8.68
    assert published_number(protocol.published, row, 8, "hd95_mm") is None
    assert published_number(protocol.published, row, 5, "dice") is None
    assert published_number(protocol.published, protocol.row("CPS"), 8, "dice") is None
