"""Generated studies on which training is timed, in the form of this project and as compressed samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from SemiSupervisedSegLib.engine.device import Device, choose_device
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.planning.cache import prepare_cache
from SemiSupervisedSegLib.planning.cached_case import CachedCase
from SemiSupervisedSegLib.planning.fingerprint import fingerprint
from SemiSupervisedSegLib.planning.make_plan import make_plan
from SemiSupervisedSegLib.planning.plan import Plan

from .published_style import write_samples

REFERENCE = "mean_teacher"


@dataclass(frozen=True)
class Trial:
    """A network on a generated study: sizes in voxels, x, y, z for the images and as tensors for the patch."""

    network: str
    patch: tuple[int, ...]
    batch: int
    image_size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    labeled: int = 2
    unlabeled: int = 4
    external: int = 2

    @property
    def dimensions(self) -> int:
        return len(self.patch)

    @property
    def title(self) -> str:
        return f"{self.network}, patch {'x'.join(map(str, self.patch))}, batch {self.batch}+{self.batch}"


TRIALS = (
    Trial("unet_2d", (256, 256), 12, (256, 256, 10), (1.2, 1.2, 8.0)),
    Trial("v_net", (64, 64, 64), 2, (112, 112, 80), (1.0, 1.0, 1.0)),
)
CUDA_TRIAL = Trial("v_net", (112, 112, 80), 2, (144, 144, 96), (1.0, 1.0, 1.0))


def tiny(trial: Trial) -> Trial:
    """The smallest form of a trial."""
    return replace(trial, patch=(32,) * trial.dimensions, batch=2, image_size=(32, 32, 32))


@dataclass(frozen=True)
class Prepared:
    """A study in the cache and as compressed samples, and a method with its settings."""

    trial: Trial
    plan: Plan
    method: str
    settings: dict[str, Any]
    cases: tuple[CachedCase, ...]
    samples: tuple[list[Path], list[Path]]
    device: str
    threads: int

    def choose_device(self) -> Device:
        return choose_device(self.device, threads=self.threads)

    @property
    def images_a_step(self) -> int:
        """Images of all streams that a step of the method uses."""
        return self.trial.batch * len(load_catalogue().method(self.method).streams)

    def with_method(self, method: str) -> Prepared:
        """The same for another method."""
        return replace(self, method=method, settings=_settings(method, self.trial))


def prepare(trial: Trial, folder: Path, device: str, threads: int) -> Prepared:
    """Generate a study, and bring it to both forms, for Mean Teacher."""
    study = generate_study(
        folder / "study",
        labeled=trial.labeled,
        unlabeled=trial.unlabeled,
        external=trial.external,
        sites=2,
        validation=0,
        structures=3 if trial.dimensions == 2 else 1,
        size=trial.image_size,
        spacing=trial.spacing,
        oblique=False,
    )
    settings = _settings(REFERENCE, trial)
    spec = make_training_spec(study, REFERENCE, "paper", {})
    found = fingerprint(spec.cases, spec.structures, lambda done, total: None)
    plan = make_plan(found, spec.modality, study.num_classes, settings)
    cases = prepare_cache(spec.cases, plan, folder / "cache", spec.structures, lambda done, total: None)
    samples = write_samples(cases, folder / "samples", trial.dimensions)
    return Prepared(trial, plan, REFERENCE, settings, cases, samples, device, threads)


def _settings(method: str, trial: Trial) -> dict[str, Any]:
    """The settings of the preset "paper" on the trial's network, patch and batch."""
    catalogue = load_catalogue()
    known = {setting.name for setting in catalogue.method(method).settings}
    wanted: dict[str, Any] = dict.fromkeys(("labeled_batch", "unlabeled_batch", "external_batch"), trial.batch)
    wanted |= {
        "dimension": f"{trial.dimensions}d",
        "network": trial.network,
        "patch_size": "x".join(map(str, trial.patch)),
    }
    chosen = {name: value for name, value in wanted.items() if name in known}
    return catalogue.resolve(method, "paper", chosen, trial.dimensions)
