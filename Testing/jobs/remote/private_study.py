"""A study whose every name would tell something, and what must not be found on another machine."""

from __future__ import annotations

from pathlib import Path

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.model import Study
from SemiSupervisedSegLib.study.store import load_study

NAMES = {"Phantom": "Müller & Söhne", "local": "Charité", "external-1": "Clinic <2>"}
SECRETS = ("Smith_Ann", "Müller", "Charit", "M\\u00fcller", "Charit\\u00e9", "Clinic", "images/Smith")
SETTINGS = {
    "steps": 4,
    "labeled_batch": 1,
    "unlabeled_batch": 1,
    "external_batch": 1,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 1,
    "preview_interval": 2,
    "threads": 1,
}


def private_study(folder: Path) -> Study:
    """Make a study of a labeled, a validation, an unlabeled and an external case, all of one patient."""
    generate_study(folder, labeled=1, unlabeled=1, external=1, validation=1, sites=2, size=(32, 32, 4))
    for path in [*folder.glob("images/*"), *folder.glob("annotations/*")]:
        path.rename(path.with_name(path.name.replace("case", "Smith_Ann")))
    file = folder / "study.json"
    text = file.read_text(encoding="utf-8").replace("case-0", "Smith_Ann-0")
    for before, after in NAMES.items():
        text = text.replace(f'"{before}"', f'"{after}"')
    file.write_text(text, encoding="utf-8")
    return load_study(folder)


def new_private_round(study: Study, device: str = "cpu", method: str = "mean_teacher", **settings: int) -> JobFolder:
    folder = next_round(study.folder, method)
    values = {key: value for key, value in SETTINGS.items() if key != "external_batch"} | settings
    folder.write_spec(make_training_spec(study, method, "quick", values, device=device))
    return folder


def leaks(place: Path, study: Study) -> list[str]:
    """Return which names of a study are in the names or contents of files."""
    secrets = [*(secret.encode() for secret in SECRETS), str(study.folder).encode()]
    found = []
    for path in place.rglob("*"):
        content = str(path.relative_to(place)).encode() + (path.read_bytes() if path.is_file() else b"")
        found += [f"{path}: {secret!r}" for secret in secrets if secret in content]
    return found
