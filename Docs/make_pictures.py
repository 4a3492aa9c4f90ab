"""Make the pictures of the documentation from a finished round of the demo.

python Docs/make_pictures.py demo/rounds/002-cu2l
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SemiSupervisedSegLib.engine.evaluation.report.pictures import chosen_cases, draw_case
from SemiSupervisedSegLib.engine.evaluation.scoring import collect_content
from SemiSupervisedSegLib.engine.inference.bundle import load_bundle
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics

PICTURES = Path(__file__).with_name("pictures")
GAP = 8


def overview(folder: JobFolder) -> np.ndarray:
    """Return the median case as RGB (H, W, 3): image, prototype-based and final prediction side by side."""
    scores = read_metrics(folder.metrics)
    content = collect_content(folder, folder.spec(), load_bundle(folder.model), scores, "validation cases")
    median = next(case for title, case in chosen_cases(content) if title.startswith("Median"))
    drawn = draw_case(content, median)
    gap = np.full((drawn.image.shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([drawn.image, gap, drawn.prototype, gap, drawn.final], axis=1)


def main() -> None:
    """Read the command line and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("round", type=Path, help="folder of the round")
    picture = overview(JobFolder(parser.parse_args().round))
    PICTURES.mkdir(exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(PICTURES / "overview.png"), useCompression=True)


if __name__ == "__main__":
    main()
