"""The one sentence at the top of the panel: what to do next."""

from __future__ import annotations

from ...jobs.catalogue import load_catalogue
from ...jobs.needs import missing_in_study
from .round_names import round_title
from .state import Facts, PanelState, state_of

_SECTIONS = {
    PanelState.NO_STUDY: "Study",
    PanelState.NO_CASES: "Cases",
    PanelState.ANNOTATING: "Cases",
    PanelState.REVIEWING: "Review",
}


def section_of(state: PanelState) -> str:
    """Return the name of the section in which the present step is done."""
    return _SECTIONS.get(state, "Train")


def next_step(facts: Facts) -> str:
    """Describe what is running, or what the user could do next, in one or two sentences."""
    state = state_of(facts)
    if state is PanelState.RUNNING:
        what = {"train": "Training", "compare": "Comparing methods"}.get(facts.run.kind, "Segmenting new images")
        place = f" on {facts.run.machine}" if facts.run.machine else ""
        return f"{what}{place}: {round_title(facts.run.name)}. You can continue working meanwhile."
    if state is PanelState.STOPPING:
        kept = "the images that it has segmented" if facts.run.kind == "predict" else "what it has learned so far"
        return f"{round_title(facts.run.name)} is stopping and keeps {kept}."
    if state is PanelState.READY:
        return _before_training(facts)
    if state is PanelState.INTERRUPTED:
        return f"Round {round_title(facts.resumable)} is not complete. Resume it under Train, or start a new one."
    if state is PanelState.REVIEWING:
        name = round_title(facts.round.name)
        return f"Round {name} is ready. Review and accept its results, then train the next round."
    return {
        PanelState.INSTALLING: "Installing what training needs.",
        PanelState.NO_STUDY: "Open or create a study.",
        PanelState.NO_CASES: "Add images under Cases.",
        PanelState.ANNOTATING: "Annotate a few images under Cases and set their role to labeled.",
    }[state]


def _before_training(facts: Facts) -> str:
    if facts.missing_packages and not facts.machine:
        return "Install what training needs, under Train."
    missing = missing_in_study(facts.study, load_catalogue().method(facts.method)) if facts.method else None
    return str(missing or "") or "Start the training under Train, or annotate more images first."
