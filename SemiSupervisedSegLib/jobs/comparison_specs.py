"""New comparisons: which annotated cases each training learns from and is scored on, frozen in its job."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..study.errors import UserError
from ..study.model import Case, Role, Study
from .catalogue import load_catalogue
from .comparison import Comparison, ComparisonSpec, new_comparison_folder
from .job_specs import make_training_spec
from .needs import missing_in_study
from .spec import JobSpec, SettingValue

_USUAL_FOLDS = 4


def annotated_cases(study: Study) -> list[Case]:
    """Return the cases that a comparison trains on and scores: labeled and validation cases with an annotation."""
    return [case for case in study.cases if case.role.needs_annotation and case.annotation is not None]


def why_not_comparable(study: Study) -> UserError | None:
    """Return the reason why no methods can be compared on a study as it is now, None when some can."""
    count = len(annotated_cases(study))
    if count >= 2:
        return None
    found = "only one annotated image" if count else "no annotated image"
    return UserError(
        f"The study has {found}, and methods are compared on images that they did not learn from.",
        "Annotate a second image, and better six or more." if count else "Annotate at least two images.",
    )


def usual_folds(annotated: int) -> int:
    """Return into how many folds this number of annotated cases is split unless the user chooses otherwise."""
    return min(_USUAL_FOLDS, max(2, annotated))


def most_labels(annotated: int, folds: int) -> int:
    """Return how many of the annotated cases a training learns from in every fold."""
    # The largest fold is held out; sizes differ by one at most.
    return annotated - math.ceil(annotated / folds)


def check_label_counts(counts: Sequence[int], most: int) -> None:
    """Raise UserError where there are not so many annotated cases to learn from in every fold."""
    if counts and not 1 <= min(counts) <= max(counts) <= most:
        wrong = ", ".join(str(count) for count in counts if not 1 <= count <= most)
        raise UserError(
            f"There are no {wrong} annotated images to learn from in every fold.",
            f"Choose numbers from 1 to {most}, or annotate more images.",
        )


def make_comparison_spec(
    study: Study,
    methods: Sequence[str],
    preset: str,
    settings: Mapping[str, SettingValue],
    *,
    device: str = "auto",
    seeds: Sequence[int] = (0,),
    folds: int | None = None,
    label_counts: Sequence[int] = (),
) -> ComparisonSpec:
    """Return the comparison of methods on a study as it is now.

    Args:
        study: Study whose annotated cases are split into folds.
        methods: Ids of two or more methods in the catalogue.
        preset: Id of the preset of all methods.
        settings: Settings that the user changed, by name, as values or as text; a method takes those that it has.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        seeds: Seeds of everything random.
        folds: Number of folds; None for four, or as many as there are annotated cases.
        label_counts: Numbers of annotated cases to learn from; empty for all that are not held out.

    Raises:
        UserError: There is nothing to compare or to score, a method cannot be trained in every fold, or a setting
            cannot be used.
    """
    methods = tuple(dict.fromkeys(methods))
    if len(methods) < 2:
        raise UserError("A comparison needs at least two methods.", "Choose another method as well.")
    if (problem := why_not_comparable(study)) is not None:
        raise problem
    cases = annotated_cases(study)
    count = usual_folds(len(cases)) if folds is None else folds
    if not 2 <= count <= len(cases):
        raise UserError(
            f"{len(cases)} annotated images cannot be split into {count} folds.",
            f"Choose 2 to {len(cases)} folds, so that each holds at least one image and others remain to learn from.",
        )
    check_label_counts(label_counts, most_labels(len(cases), count))
    spec = ComparisonSpec(
        methods,
        preset,
        _checked(methods, settings),
        device,
        tuple(dict.fromkeys(seeds)),
        _split(cases, count),
        tuple(sorted(set(label_counts))),
    )
    _make_jobs(study, spec)
    return spec


def new_comparison(study: Study, spec: ComparisonSpec) -> Comparison:
    """Make the folder of a comparison with the jobs of all its trainings, ready to be run.

    Later changes of the study do not reach it.

    Raises:
        UserError: The study has changed so that a training is not possible, or a file cannot be written.
    """
    jobs = _make_jobs(study, spec)
    comparison = new_comparison_folder(study.folder)
    for training in comparison.trainings_of(spec):
        training.folder.write_spec(jobs[training.method, training.labels, training.seed, training.fold])
    # Without this file the folder is no comparison yet.
    comparison.write_request(spec)
    return comparison


def settings_of(spec: ComparisonSpec, method: str) -> dict[str, SettingValue]:
    """Return the changed settings of a comparison that a method has."""
    entry = load_catalogue().method(method)
    return {name: value for name, value in spec.settings.items() if entry.has(name)}


def _checked(methods: Sequence[str], settings: Mapping[str, SettingValue]) -> dict[str, SettingValue]:
    """Return the settings in their types; raises UserError for one that no method has, or a value out of range."""
    checked: dict[str, SettingValue] = {}
    for name, value in settings.items():
        known = [entry.setting(name) for entry in map(load_catalogue().method, methods) if entry.has(name)]
        # Where none has it, the error names the nearest setting.
        known = known or [load_catalogue().method(methods[0]).setting(name)]
        checked[name] = known[0].parse(value)
    return checked


def _split(cases: Sequence[Case], count: int) -> tuple[tuple[str, ...], ...]:
    """Deal cases to folds, so that each fold has some of every site and every kind of annotation if it can."""
    order = sorted(range(len(cases)), key=lambda index: (cases[index].structures or (), cases[index].site, index))
    return tuple(tuple(cases[index].id for index in order[fold::count]) for fold in range(count))


def _make_jobs(study: Study, spec: ComparisonSpec) -> dict[tuple[str, int | None, int, int], JobSpec]:
    """Return the job of each method, number of labeled cases, seed and fold."""
    return {
        (method, labels, seed, fold): _make_job(changed, spec, method, seed)
        for fold, held_out in enumerate(spec.folds)
        for labels in spec.label_groups
        for seed in spec.seeds
        # All methods learn from the same annotations.
        for changed in [_with_labels(_with_roles(study, held_out), labels, f"{seed} {fold}")]
        for method in spec.methods
    }


def _make_job(study: Study, spec: ComparisonSpec, method: str, seed: int) -> JobSpec:
    settings = settings_of(spec, method)
    entry = load_catalogue().method(method)
    if (problem := missing_in_study(study, entry)) is not None:
        # Of several methods, the user has to know which one it is.
        raise UserError(f"{entry.title}: {problem.message}", problem.advice)
    job = make_training_spec(study, method, spec.preset, settings, device=spec.device, seed=seed)
    return replace(job, kind="trial", preview_cases=())


def _with_roles(study: Study, held_out: Sequence[str]) -> Study:
    """Return a study whose annotated cases are for validation where they are held out, and else for training."""
    annotated = {case.id for case in annotated_cases(study)}
    cases = (
        replace(case, role=Role.VALIDATION if case.id in held_out else Role.LABELED) if case.id in annotated else case
        for case in study.cases
    )
    return replace(study, cases=tuple(cases))


def _with_labels(study: Study, count: int | None, draw: str) -> Study:
    """Return a study with so many labeled cases; the others are unlabeled.

    Of one draw a smaller number is a part of a larger one.
    """
    if count is None:
        return study
    labeled = [case.id for case in study.cases if case.role is Role.LABELED and case.annotation is not None]
    random.Random(draw).shuffle(labeled)
    hidden = set(labeled[count:])
    cases = (replace(case, role=Role.UNLABELED, annotation=None) if case.id in hidden else case for case in study.cases)
    return replace(study, cases=tuple(cases))
