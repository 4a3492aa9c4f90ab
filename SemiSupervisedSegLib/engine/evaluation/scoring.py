"""Scores of the annotated cases of a finished round, written to metrics.csv and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...jobs.catalogue import load_catalogue
from ...jobs.events import Event, Started, StepDone, WarningRaised, working_seconds
from ...jobs.folder import JobFolder
from ...jobs.metrics_file import scored_as, write_metrics
from ...jobs.results import SEGMENTATIONS, is_predicted, not_predicted, read_summary
from ...jobs.spec import JobCase, JobSpec
from ...jobs.structure_score import StructureScore
from ...study.duplicates import image_digest
from ...study.errors import UserError
from ...study.images import read_image
from ...study.model import Role, Structure
from ..inference.bundle import TrainedModel, load_bundle
from ..inference.write import read_classes
from .metrics import score_case
from .report.content import ReportCase, ReportContent
from .report.html_page import write_report
from .round_annotations import annotated_structures, read_classes_of_model

ROLE_WORDS = {Role.LABELED: "labeled cases (trained on)", Role.VALIDATION: "validation cases"}


def evaluate_round(
    folder: JobFolder,
    roles: Iterable[Role] = (Role.VALIDATION,),
    progress: Callable[[int, int], None] = lambda done, total: None,
    on_failure: Callable[[UserError], None] | None = None,
) -> list[StructureScore]:
    """Score the predictions of a round, write its metrics.csv and report.html and return the scores.

    Args:
        folder: Folder of the round, with its predictions.
        roles: Roles of the annotated cases to score; the cases of a prediction job count as validation cases.
        progress: Function that is called with the number of scored cases and their total.
        on_failure: Function called with the error of a case that cannot be scored, while the others are; None to
            raise it.

    Raises:
        UserError: The round is not finished, a case cannot be read, or a file cannot be written.
    """
    spec, roles = folder.spec(), tuple(roles)
    if spec.model is None and not folder.model.is_dir():
        raise UserError(
            f"The round {folder.name} is not finished: it has no model yet.", "Resume it, or choose another round."
        )
    model = load_bundle(folder.model if spec.model is None else spec.model)
    cases = [case for case in spec.cases if case.annotation is not None and scored_as(spec, case) in roles]
    scores = _score_cases(folder, cases, model.structures, progress, on_failure)
    if cases and not scores:
        # The scores of before stay when no case can be scored now, as where the images are not at hand.
        return []
    write_metrics(folder.metrics, scores)
    scored = " and ".join(ROLE_WORDS[role] for role in roles)
    write_report(folder.report, collect_content(folder, spec, model, scores, scored))
    return scores


def _score_cases(
    folder: JobFolder,
    cases: Sequence[JobCase],
    structures: Sequence[Structure],
    progress: Callable[[int, int], None],
    on_failure: Callable[[UserError], None] | None,
) -> list[StructureScore]:
    annotated = annotated_structures(folder, structures)
    predicted = [case for case in cases if is_predicted(folder, case.id)]
    if on_failure is not None:
        for case in cases:
            if case not in predicted:
                on_failure(not_predicted(folder, case.id))
    scores: list[StructureScore] = []
    for done, case in enumerate(predicted, start=1):
        try:
            scores += score_prediction(case, folder.predictions / case.id, structures, annotated)
        except UserError as error:
            failure = UserError(f"Case {case.id}: {error.message}", error.advice)
            if on_failure is None:
                raise failure from error
            on_failure(failure)
        progress(done, len(predicted))
    return scores


def score_prediction(
    case: JobCase, predictions: Path, structures: Sequence[Structure], annotated: Sequence[Structure]
) -> list[StructureScore]:
    """Score both predictions of a case against its annotation, where it has one, on the grid of its image.

    Args:
        case: Case of the round.
        predictions: Folder of its predictions.
        structures: Structures of the model.
        annotated: Structures that its annotation may show, beginning with those of the model; the others count as
            background.

    Raises:
        UserError: A file cannot be read, or the image is another one than was segmented.
    """
    if case.annotation is None:
        return []
    image = read_image(case.image)
    if read_summary(predictions).image_digest not in ("", image_digest(image)):
        raise UserError(
            f"The image {Path(case.image).name} is not the one that was segmented.",
            "Put the former image back, or segment this one with the command predict.",
        )
    annotation = read_classes_of_model(case.annotation, image, structures, annotated)
    spacing = image.GetSpacing()[::-1]
    names = [structure.name for structure in structures]
    scores = []
    for kind, name in SEGMENTATIONS.items():
        prediction = read_classes(predictions / name, structures)
        scores += score_case(case.id, kind, prediction, annotation, spacing, names, case.structures)
    return scores


def collect_content(
    folder: JobFolder, spec: JobSpec, model: TrainedModel, scores: Sequence[StructureScore], scored: str
) -> ReportContent:
    """Gather what the report shows from the files of a round.

    Raises:
        UserError: A file of the round is damaged.
    """
    events, _ = folder.events()
    catalogue = load_catalogue()
    method = catalogue.method(model.method)
    return ReportContent(
        title=folder.name,
        study_name=spec.study_name,
        method_title=method.title,
        method_sentence=method.summary,
        preset=catalogue.preset(spec.preset).title if spec.preset else "",
        seed=spec.seed,
        steps=_steps(events),
        device=next((event.device for event in reversed(events) if isinstance(event, Started)), "this computer"),
        seconds=working_seconds(events),
        modality=model.plan.normalization.modality,
        structures=model.structures,
        annotated=annotated_structures(folder, model.structures),
        plan=model.plan,
        cases=tuple(_report_cases(folder, spec)),
        trained_on=_trained_on(spec),
        scores=tuple(scores),
        scored=scored,
        events=tuple(events),
        warnings=tuple(event.message for event in events if isinstance(event, WarningRaised)),
    )


def roles_of(choice: str) -> tuple[Role, ...]:
    """Return the roles that `validation`, `labeled` or `all` stands for.

    Raises:
        UserError: The choice is none of these.
    """
    roles = {"validation": (Role.VALIDATION,), "labeled": (Role.LABELED,), "all": (Role.VALIDATION, Role.LABELED)}
    if choice not in roles:
        raise UserError(f"There are no cases called {choice!r}.", f"Choose one of: {', '.join(roles)}.")
    return roles[choice]


def _report_cases(folder: JobFolder, spec: JobSpec) -> Iterable[ReportCase]:
    for case in spec.cases:
        predictions = folder.predictions / case.id
        if is_predicted(folder, case.id):
            annotation = None if case.annotation is None else Path(case.annotation)
            summary = read_summary(predictions)
            yield ReportCase(case.id, case.role, case.external, Path(case.image), annotation, predictions, summary)


def _trained_on(spec: JobSpec) -> dict[str, int]:
    if spec.kind == "predict":
        return {}
    unlabeled = [case for case in spec.cases if case.role == Role.UNLABELED]
    external = sum(case.external for case in unlabeled)
    return {
        "labeled": sum(case.role == Role.LABELED for case in spec.cases),
        "unlabeled": len(unlabeled) - external,
        "unlabeled external": external,
        "validation": sum(case.role == Role.VALIDATION for case in spec.cases),
    }


def _steps(events: Sequence[Event]) -> int:
    last = {event.stage: event.step for event in events if isinstance(event, StepDone)}
    return sum(last.values())
