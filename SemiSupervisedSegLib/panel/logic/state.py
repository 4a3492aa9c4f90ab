"""Where the user is in the loop, and for every button why it cannot be used now.

Everything here follows from `Facts` alone: nothing is read from disk, and nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from ...jobs.catalogue import load_catalogue
from ...jobs.comparison_specs import why_not_comparable
from ...jobs.folder import JobFolder
from ...jobs.needs import missing_in_study
from ...study.model import Role, Study
from .round_names import round_title
from .wording import package_names


class PanelState(Enum):
    """Where the user is in the loop."""

    NO_STUDY = auto()
    NO_CASES = auto()
    ANNOTATING = auto()
    READY = auto()
    INSTALLING = auto()
    RUNNING = auto()
    STOPPING = auto()
    INTERRUPTED = auto()
    REVIEWING = auto()


class Action(Enum):
    """What the user can do; one for each button, or group of widgets that are enabled together."""

    CREATE_STUDY = auto()
    OPEN_STUDY = auto()
    CLOSE_STUDY = auto()
    EDIT_STRUCTURES = auto()
    ADD_CASES = auto()
    SHOW_CASE = auto()
    CHANGE_CASES = auto()
    REMOVE_CASES = auto()
    ANNOTATE = auto()
    SAVE_ANNOTATION = auto()
    INSTALL = auto()
    SET_UP_TRAINING = auto()
    START = auto()
    RESUME = auto()
    COMPARE_METHODS = auto()
    CONTINUE = auto()
    STOP = auto()
    END_NOW = auto()
    STEP_THROUGH_CASES = auto()
    COMPARE = auto()
    CORRECT = auto()
    ACCEPT = auto()
    REJECT = auto()
    NEXT_ROUND = auto()
    EXPORT_CASES = auto()
    EXPORT_MODEL = auto()
    OPEN_REPORT = auto()
    APPLY_MODEL = auto()
    FREE_CACHE = auto()
    DELETE_ROUND = auto()


@dataclass(frozen=True)
class Run:
    """A worker that is at work.

    Attributes:
        name: Name of its round, or of the set of images that it segments.
        kind: `train`, `predict` or `compare`.
        stopping: Whether a stop was requested.
        detached: Whether it continues when Slicer quits.
        externallyStarted: Whether another program started it; its files are followed.
        machine: Name of the other machine that it runs on, empty for this computer.
    """

    name: str
    kind: str = "train"
    stopping: bool = False
    detached: bool = False
    externallyStarted: bool = False
    machine: str = ""


@dataclass(frozen=True)
class Facts:
    """All that decides what can be done next.

    The first four come from the session; the sections set the remaining ones with `Session.set_facts`.

    Attributes:
        study: Open study, None without one.
        case_id: Id of the displayed case, None without one.
        rounds: Rounds of the study, oldest first.
        round: Round under review, which has a result.
        run: Running worker, None without one (section Train).
        method: Id of the selected method (section Train).
        machine: Name of the other machine that is to train, empty for this computer (section Train).
        resumable: Name of the stopped or crashed round that can be resumed, empty without one (section Train).
        resumable_on: Name of the other machine where that round is, empty for this computer (section Train).
        continuable: Name of the round under review if its training can be continued, else empty (section Train).
        missing_packages: Packages that have to be installed before training (section Train).
        device_problem: Reason why no device can train yet, empty when one can (section Train).
        installing: Whether packages are being installed (section Train).
        selected_cases: Number of selected rows of the table (section Cases).
        editing: Whether an annotation is being edited (sections Cases and Review).
        predicted: Whether the round under review has segmented the displayed case (section Review).
        reading: Whether the displayed case is still being read (the panel).
    """

    study: Study | None = None
    case_id: str | None = None
    rounds: tuple[JobFolder, ...] = ()
    round: JobFolder | None = None
    run: Run | None = None
    method: str = ""
    machine: str = ""
    resumable: str = ""
    resumable_on: str = ""
    continuable: str = ""
    missing_packages: tuple[str, ...] = ()
    device_problem: str = ""
    installing: bool = False
    selected_cases: int = 0
    editing: bool = False
    predicted: bool = False
    reading: bool = False


def state_of(facts: Facts) -> PanelState:
    """Return the user's place in the loop; what is running takes precedence over what is possible."""
    if facts.run is not None:
        return PanelState.STOPPING if facts.run.stopping else PanelState.RUNNING
    if facts.installing:
        return PanelState.INSTALLING
    if facts.study is None:
        return PanelState.NO_STUDY
    if not facts.study.cases:
        return PanelState.NO_CASES
    if facts.resumable:
        return PanelState.INTERRUPTED
    if facts.round is not None:
        return PanelState.REVIEWING
    return PanelState.READY if _has_annotation(facts.study) else PanelState.ANNOTATING


def availability(facts: Facts, action: Action) -> str:
    """Return why an action is not possible now, in one or two sentences; empty when it is."""
    return next((reason for check in _CHECKS[action] if (reason := check(facts))), "")


Check = Callable[[Facts], str]


def _unless(holds: Callable[[Facts], object], reason: str) -> Check:
    return lambda facts: "" if holds(facts) else reason


_study = _unless(lambda facts: facts.study is not None, "Open or create a study first.")
_cases = _unless(lambda facts: facts.study.cases, "Add images to the study first.")
_selected = _unless(lambda facts: facts.selected_cases, "Select one or more rows of the table first.")
_shown = _unless(lambda facts: facts.case_id is not None, "Show a case first: double-click it in the table.")
_editing = _unless(lambda facts: facts.editing, "No annotation is being edited.")
_some_package = _unless(lambda facts: facts.missing_packages, "Everything that training needs is installed.")
_resumable = _unless(lambda facts: facts.resumable, "There is no stopped round to resume.")
_running = _unless(lambda facts: facts.run is not None, "Nothing is running.")
_stopping = _unless(lambda facts: facts.run.stopping, "Stop it first, so that it can save what it has learned.")
_reviewed = _unless(lambda facts: facts.round is not None, "There is no finished round yet: train first.")
_not_editing = _unless(
    lambda facts: not facts.editing, "Save the annotation that you are editing first, or discard it."
)
_not_installing = _unless(lambda facts: not facts.installing, "Wait until the installation is done.")
_read = _unless(lambda facts: not facts.reading, "Wait until the image is read.")


_RUNS = {"train": "A training is running", "compare": "Methods are being compared"}


def _idle(facts: Facts) -> str:
    if facts.run is None:
        return ""
    what = _RUNS.get(facts.run.kind, "Images are being segmented")
    name = round_title(facts.run.name)
    if facts.run.stopping:
        return f"{what} and will stop soon: {name}."
    return f"{what}: {name}. Wait until it ends, or stop it."


def _free_to_leave(facts: Facts) -> str:
    # A detached or externally started run is followed again when its study is opened.
    return "" if facts.run is not None and (facts.run.detached or facts.run.externallyStarted) else _idle(facts)


def _packages(facts: Facts) -> str:
    if not facts.missing_packages:
        return ""
    return f"Not installed yet: {package_names(facts.missing_packages)}. Click Install."


def _ready_here(facts: Facts) -> str:
    return _packages(facts) or facts.device_problem


# Another machine has its own packages and devices.
def _ready_to_start(facts: Facts) -> str:
    return "" if facts.machine else _ready_here(facts)


def _ready_to_resume(facts: Facts) -> str:
    return "" if facts.resumable_on else _ready_here(facts)


def _method(facts: Facts) -> str:
    if not facts.method:
        return "Choose a method first."
    return str(missing_in_study(facts.study, load_catalogue().method(facts.method)) or "")


def _comparable(facts: Facts) -> str:
    return str(why_not_comparable(facts.study) or "")


def _continuable(facts: Facts) -> str:
    return "" if facts.continuable else f"The training of {round_title(facts.round.name)} cannot be continued."


def _not_stopping(facts: Facts) -> str:
    return f"It is stopping already: {round_title(facts.run.name)}." if facts.run.stopping else ""


def _predicted(facts: Facts) -> str:
    if facts.predicted:
        return ""
    title = facts.study.title_of(facts.case_id)
    return f"{title} was not segmented in the round {round_title(facts.round.name)}."


def _exportable(facts: Facts) -> str:
    if facts.round is not None or any(case.annotation for case in facts.study.cases):
        return ""
    return "There is nothing to export yet: annotate a case or train first."


_REVIEW = (_study, _reviewed, _shown, _read, _predicted)
_TRAIN = (_not_installing, _study, _cases, _idle)
_CHECKS: dict[Action, tuple[Check, ...]] = {
    Action.CREATE_STUDY: (_free_to_leave,),
    Action.OPEN_STUDY: (_free_to_leave,),
    Action.CLOSE_STUDY: (_study, _free_to_leave),
    # Predictions under way would be read with other names and colours than they were made with.
    Action.EDIT_STRUCTURES: (_study, _idle, _not_editing),
    Action.ADD_CASES: (_study,),
    Action.SHOW_CASE: (_study, _cases),
    Action.CHANGE_CASES: (_study, _cases, _selected),
    Action.REMOVE_CASES: (_study, _cases, _selected),
    Action.ANNOTATE: (_study, _cases),
    Action.SAVE_ANNOTATION: (_study, _shown, _editing),
    Action.INSTALL: (_not_installing, _idle, _some_package),
    Action.SET_UP_TRAINING: (_not_installing, _study, _idle),
    Action.START: (*_TRAIN, _ready_to_start, _method),
    Action.RESUME: (*_TRAIN, _ready_to_resume, _resumable),
    Action.COMPARE_METHODS: (*_TRAIN, _ready_to_start, _comparable),
    Action.CONTINUE: (*_TRAIN, _ready_to_start, _reviewed, _continuable),
    Action.STOP: (_running, _not_stopping),
    Action.END_NOW: (_running, _stopping),
    Action.STEP_THROUGH_CASES: (_study, _reviewed),
    Action.COMPARE: _REVIEW,
    Action.CORRECT: (*_REVIEW, _not_editing),
    Action.ACCEPT: _REVIEW,
    Action.REJECT: _REVIEW,
    # It only leads to Train, which says what is missing.
    Action.NEXT_ROUND: (_study, _reviewed),
    Action.EXPORT_CASES: (_study, _cases, _exportable),
    Action.EXPORT_MODEL: (_study, _reviewed),
    Action.OPEN_REPORT: (_study, _reviewed),
    # Not of a round of this study only: a model can come from a folder.
    Action.APPLY_MODEL: (_not_installing, _study, _idle, _packages),
    Action.FREE_CACHE: (_study, _idle),
    # The section says what can be deleted: a comparison can where there is no round.
    Action.DELETE_ROUND: (_study, _idle),
}


def _has_annotation(study: Study) -> bool:
    return any(case.role is Role.LABELED and case.annotation for case in study.cases)
