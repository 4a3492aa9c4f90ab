"""Make the picture of the README: train the preset quick on four annotated synthetic scans, and draw the median case.

python Docs/make_pictures.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SemiSupervisedSegLib.commands.run_job import run_job
from SemiSupervisedSegLib.engine.evaluation.report.pictures import chosen_cases, draw_case
from SemiSupervisedSegLib.engine.evaluation.scoring import collect_content
from SemiSupervisedSegLib.engine.inference.bundle import load_bundle
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

PICTURES = Path(__file__).with_name("pictures")
METHOD = "self_training"
GAP = 8


def train(study_folder: Path) -> JobFolder:
    """Return a finished round of the recommended method on a new synthetic study."""
    study = generate_study(study_folder, labeled=4)
    folder = next_round(study.folder, METHOD)
    # The images are small, so they are trained at their full resolution, as in the demo.
    folder.write_spec(make_training_spec(study, METHOD, "quick", {"in_plane_scale": 1.0}))
    run_job(folder)
    return folder


def overview(folder: JobFolder) -> np.ndarray:
    """Return the median case as RGB (H, W, 3): image, prototype-based and final prediction side by side."""
    scores = read_metrics(folder.metrics)
    content = collect_content(folder, folder.spec(), load_bundle(folder.model), scores, "validation cases")
    median = next(case for title, case in chosen_cases(content) if title.startswith("Median"))
    drawn = draw_case(content, median)
    gap = np.full((drawn.image.shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([drawn.image, gap, drawn.prototype, gap, drawn.final], axis=1)


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        picture = overview(train(Path(folder) / "study"))
    sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(PICTURES / "overview.png"), useCompression=True)


if __name__ == "__main__":
    main()
