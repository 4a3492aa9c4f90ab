"""MONAI's own commands on bundles, where this project is not installed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SemiSupervisedSegLib.engine.device import choose_device
from SemiSupervisedSegLib.engine.inference.bundle import TrainedModel, load_bundle, save_bundle
from SemiSupervisedSegLib.engine.inference.bundle_scripts import script_files
from SemiSupervisedSegLib.engine.inference.class_gaussians import pool_class_gaussians
from SemiSupervisedSegLib.engine.inference.labeled_windows import LabeledGrid
from SemiSupervisedSegLib.engine.inference.predict import optimize_model
from SemiSupervisedSegLib.engine.networks.base import SegmentationNetwork
from SemiSupervisedSegLib.engine.networks.factory import build_planned_network
from SemiSupervisedSegLib.engine.worker.case_predictions import CasePredictor
from SemiSupervisedSegLib.jobs.results import SEGMENTATIONS
from SemiSupervisedSegLib.jobs.spec import JobCase
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.model import Modality, Role, Structure

STRUCTURES = (Structure("Left ventricle", 2, (255, 0, 0)), Structure("Myocardium", 7, (0, 255, 0)))
SETTINGS = {
    "precision": "auto",
    "threads": 1,
    "window_overlap": 0.25,
    "window_stride": "auto",
    "largest_component": False,
    "mirrored_prediction": False,
    "augmentation": "rotations",
}
MR, CT = Normalization(Modality.MR), Normalization(Modality.CT, -100.0, 300.0, 50.0, 80.0)
PLANS = {
    "2D MR": Plan(2, 0, (None, 1.0, 1.0), (32, 32), MR, 3, NetworkSpec("unet_2d")),
    "3D CT": Plan(3, 0, (2.0, 1.1, 1.1), (16, 16, 32), CT, 3, NetworkSpec("v_net", dynamic=True)),
    "tasks": Plan(2, 0, (None, 1.0, 1.0), (32, 32), CT, 3, NetworkSpec("unet_2d", tasks=((1,), (2,)))),
    "largest": Plan(3, 0, (2.0, 1.1, 1.1), (16, 16, 32), MR, 3, NetworkSpec("v_net_instance", embedded=True)),
}
# What the specification of MONAI bundles demands of metadata.json and of each tensor.
SCHEMA = {
    "type": "object",
    "required": [
        "version",
        "monai_version",
        "pytorch_version",
        "numpy_version",
        "optional_packages_version",
        "task",
        "description",
        "authors",
        "copyright",
        "network_data_format",
    ],
    "properties": {
        "network_data_format": {
            "required": ["inputs", "outputs"],
            "properties": {
                "inputs": {"required": ["image"], "additionalProperties": {"$ref": "#/$defs/tensor"}},
                "outputs": {"required": ["pred"], "additionalProperties": {"$ref": "#/$defs/tensor"}},
            },
        }
    },
    "$defs": {
        "tensor": {
            "required": ["num_channels", "channel_def"],
            "properties": {
                "type": {"const": "image"},
                "format": {"enum": ["magnitude", "hounsfield", "labels"]},
                "num_channels": {"type": "integer"},
                "spatial_shape": {"type": "array", "items": {"type": "integer"}},
                "dtype": {"const": "float32"},
                "value_range": {"type": "array"},
                "is_patch_data": {"type": "boolean"},
                "channel_def": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    },
}
WITHOUT_THIS_PROJECT = """
import importlib.util, json, runpy, sys
sys.path[:0] = ["", *json.loads(sys.argv[1])]
assert importlib.util.find_spec("SemiSupervisedSegLib") is None
sys.modules["pydicom"] = None
for command in json.loads(sys.argv[2]):
    sys.argv = ["monai.bundle", *command]
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
"""


def make_bundle(folder: Path, plan: Plan, largest_component: bool) -> None:
    torch.manual_seed(3)
    network = build_planned_network(plan)
    # Statistics other than those of an untrained network, so that the fused form has something to fuse.
    network.train()
    with torch.no_grad():
        network(torch.randn(2, 1, *plan.patch))
    if not plan.network.tasks:
        see_all_classes(network.eval(), plan)
    image = np.random.default_rng(4).normal(size=(16, 32, 32)).astype(np.float32)
    # Classes of one size, of which an untrained network sees each somewhere.
    labeled = LabeledGrid(image, np.digitize(image, [-0.43, 0.43]))
    classifier = pool_class_gaussians(network, [labeled], plan)
    settings: dict[str, object] = SETTINGS | {"largest_component": largest_component}
    if largest_component:
        settings |= {"window_stride": "12x16x20", "mirrored_prediction": True}
    training = {"settings": settings, "study": "Test"}
    save_bundle(folder, TrainedModel(network.eval(), plan, STRUCTURES, "cpcl", classifier, training))


def see_all_classes(network: SegmentationNetwork, plan: Plan) -> None:
    """Shift the logits so that every class is the most probable one somewhere."""
    layer = network.head[-1] if plan.network.embedded else network.head
    with torch.no_grad():
        logits = network(torch.randn(2, 1, *plan.patch)).logits
        layer.bias -= logits.mean(dim=[0, *range(2, logits.ndim)])


def images(folder: Path) -> list[Path]:
    """Images of three geometries: plain, anisotropic, and oblique with axes in another order."""
    generator = np.random.default_rng(5)
    folder.mkdir()
    paths = []
    for name, size, spacing, angles in (
        ("plain.nii.gz", (36, 40, 18), (1.0, 1.0, 2.0), (0, 0, 0)),
        ("anisotropic.nrrd", (40, 33, 7), (0.7, 0.8, 6.0), (0, 0, 0)),
        ("patient.1.mha", (20, 37, 35), (3.0, 0.9, 1.1), (0.3, 1.4, 2.8)),
    ):
        voxels = generator.normal(50, 120, size[::-1]).astype(np.int16)
        voxels[4:, 9:25, 9:20] += 200
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing(spacing)
        image.SetOrigin((-12.5, 40.0, 7.25))
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
        paths.append(folder / name)
        sitk.WriteImage(image, str(paths[-1]))
    return paths


def run_monai(bundle: Path, *commands: list[str]) -> None:
    packages = [path for path in sys.path if path.endswith("site-packages")]
    arguments = ["-I", "-S", "-c", WITHOUT_THIS_PROJECT, json.dumps(packages), json.dumps(commands)]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=bundle,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    "name", ["2D MR", "3D CT", *(pytest.param(n, marks=pytest.mark.slow) for n in list(PLANS)[2:])]
)
def test_monai_runs_and_verifies_a_bundle_that_segments_as_predict_does(tmp_path: Path, name: str) -> None:
    pytest.importorskip("fire")
    pytest.importorskip("jsonschema")
    bundle = tmp_path / "model"
    make_bundle(bundle, PLANS[name], largest_component=name == "largest")
    paths = images(tmp_path / "input")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    meta, config = ["--meta_file", "configs/metadata.json"], ["--config_file", "configs/inference.json"]
    folders = ["--input_dir", str(tmp_path / "input"), "--device", "cpu"]
    run_monai(
        bundle,
        ["verify_metadata", *meta, "--filepath", str(tmp_path / "schema.json")],
        ["verify_net_in_out", "network_def", *meta, *config, "--device", "cpu"],
        *(["run", *config, *folders, "--output_dir", str(tmp_path / k), "--prediction", k] for k in SEGMENTATIONS),
    )
    model = optimize_model(load_bundle(bundle))
    settings = model.training["settings"]
    predictor = CasePredictor(model, tmp_path / "predicted", settings, choose_device("cpu", "auto", 1))
    for path in paths:
        case = path.name.removesuffix(".gz").rsplit(".", 1)[0]
        predictor.predict(JobCase(case, str(path), "", Role.UNLABELED, external=False))
        for kind, file in SEGMENTATIONS.items():
            theirs = sitk.ReadImage(str(tmp_path / kind / f"{case}.seg.nrrd"))
            ours = sitk.ReadImage(str(tmp_path / "predicted" / case / file))
            assert np.array_equal(sitk.GetArrayFromImage(theirs), sitk.GetArrayFromImage(ours))
            assert (name, kind) == ("tasks", "final") or len(np.unique(sitk.GetArrayFromImage(ours))) > 1
            assert same_grid(theirs, ours)
            assert same_grid(theirs, sitk.ReadImage(str(path)))
            assert theirs.GetMetaData("Segment1_Name") == "Myocardium"


def test_scripts_need_only_what_the_bundle_says() -> None:
    outside = set()
    for name, content in script_files().items():
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.Import):
                outside |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                outside.add(node.module.partition(".")[0])
        assert "methods" not in Path(name).parts and "panel" not in Path(name).parts
    assert outside - sys.stdlib_module_names == {"monai", "torch", "numpy", "scipy", "SimpleITK", "pydicom"}


def test_the_bundle_says_what_it_is_and_what_needs_this_project(tmp_path: Path) -> None:
    make_bundle(tmp_path / "model", PLANS["3D CT"], largest_component=False)
    metadata = json.loads((tmp_path / "model" / "configs" / "metadata.json").read_text())
    tensors = metadata["network_data_format"]
    assert tensors["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "Left ventricle", "2": "Myocardium"}
    assert tensors["inputs"]["image"]["format"] == "hounsfield"
    readme = (tmp_path / "model" / "docs" / "README.md").read_text()
    assert "python -m monai.bundle run" in readme
    assert "prototype" in readme and "UniSeMi" in readme
