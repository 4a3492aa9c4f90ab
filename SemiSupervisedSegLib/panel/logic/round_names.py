"""Names of rounds for the user."""

from __future__ import annotations

from ...jobs.job_specs import PREDICTION


def round_title(name: str) -> str:
    """Return how the round of this name is called, in words for one that applied a model and trained nothing."""
    number, _dash, method = name.partition("-")
    return f"{number} (model applied)" if method == PREDICTION else name
