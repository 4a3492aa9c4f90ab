"""Work that builds on an earlier round: resuming it, training it for longer, or starting from its model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..study.errors import UserError
from ..study.layout import StudyFolder
from .catalogue import load_catalogue
from .folder import JobFolder
from .model_folder import check_model, nearest_model, read_description
from .rounds import rounds
from .spec import SCHEMA_VERSION, JobSpec
from .versions import installed_versions


def check_resumable(folder: JobFolder) -> None:
    """Raise UserError when a round cannot be resumed, because it runs, is complete, or cannot be read."""
    folder.spec()
    if folder.is_running():
        raise UserError(f"The round {folder.name} is running.", "Wait until it ends, or stop it first.")
    if folder.status().state == "finished" and folder.result() is not None:
        raise UserError(f"The round {folder.name} is complete.", "Begin a new round, with a warm start to build on it.")


def is_unfinished(folder: JobFolder) -> bool:
    """Return whether a round, of a training or of a model that was applied, has no result; its cases are not read."""
    try:
        return folder.head().kind in ("train", "predict") and folder.result() is None
    except UserError:
        return False


def trained_model_folder(folder: JobFolder) -> Path:
    """Return the folder of the model that a round trained; raises UserError when there is none yet."""
    if not folder.model.is_dir():
        raise UserError(f"The round {folder.name} has no model yet.", "Let it finish first, or choose another round.")
    return folder.model


def model_in(place: Path) -> Path:
    """Return the folder of the model that a folder stands for.

    Args:
        place: Folder of a model or one level off it, of a round, or of a study, whose latest trained round counts.

    Raises:
        UserError: It holds none of these, or the model is incomplete, damaged or not of this program.
    """
    model = _model_of(place)
    check_model(model)
    read_description(model)
    return model


def _model_of(place: Path) -> Path:
    model = nearest_model(place)
    if model is not None:
        return model.absolute()
    if JobFolder(place).exists():
        return trained_model_folder(JobFolder(place))
    trained = [folder for folder in rounds(place) if folder.model.is_dir()] if StudyFolder(place).exists() else []
    if not trained:
        raise UserError(
            f"There is no trained model in {place}.",
            "Choose the folder of a study with a finished round, of a round, or of an exported model.",
        )
    return trained[-1].model


def trained_steps(folder: JobFolder) -> int:
    """Return the steps of a finished round whose training can be continued, 0 where it cannot."""
    try:
        steps = (folder.result() or {}).get("steps", 0) if folder.head().kind == "train" else 0
    except UserError:
        return 0
    return steps if type(steps) is int and folder.last_checkpoint.is_file() else 0


def make_continued_spec(folder: JobFolder, steps: int, device: str | None = None) -> JobSpec:
    """Return the job of a new round that continues the training of a finished one for more steps.

    It has the cases, structures and settings of that round, which stays as it is.

    Args:
        folder: Folder of the finished round.
        steps: Number of steps in all, those of the finished round included.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; None is the device of that round.

    Raises:
        UserError: The round is not a finished training, has no checkpoint any more, or has that many steps already.
    """
    spec = folder.spec()
    trained = trained_steps(folder)
    if not trained:
        raise no_checkpoint(folder)
    if steps <= trained:
        raise UserError(f"The round {folder.name} has {trained} steps already.", "Choose more steps than that.")
    # The others were checked when that round began, perhaps by a program that knew more of them.
    settings = spec.settings | load_catalogue().method(spec.method).check({"steps": steps})
    return replace(
        spec,
        settings=settings,
        device=spec.device if device is None else device,
        warm_start=str(trained_model_folder(folder)),
        continues=True,
        schema_version=SCHEMA_VERSION,
        versions=installed_versions(),
    )


def earlier_round(spec: JobSpec) -> JobFolder:
    """Return the folder of the round from whose model a job starts; raises UserError when the job starts from none."""
    if spec.warm_start is None:
        raise UserError("job.json is damaged: it does not say which round it continues.", "Start a new round.")
    return JobFolder(Path(spec.warm_start).parent)


def no_checkpoint(folder: JobFolder) -> UserError:
    """Return the error of a round whose training cannot be continued."""
    return UserError(
        f"The training of {folder.name} cannot be continued: it is not finished, or its checkpoint is gone.",
        "Resume it if it was stopped, or begin a new round that starts from its model.",
    )
