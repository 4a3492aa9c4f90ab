"""The report's pictures: a good, a typical and a bad case, or a certain and an uncertain one."""

from __future__ import annotations

import contextlib
from html import escape

from ....jobs.metrics_file import case_means
from ....jobs.results import SEGMENTATIONS
from ....study.errors import UserError
from ....study.images import read_image
from ...inference.write import read_classes
from ..round_annotations import read_classes_of_model
from .content import ReportCase, ReportContent
from .overlays import CasePictures, case_pictures, png_data_uri
from .tables import of_kind, swatch


def pictures_section(content: ReportContent) -> str:
    """Return the chosen cases, each with the plain slice, the prototype-based and the final prediction."""
    chosen = chosen_cases(content)
    if not chosen:
        return ""
    annotated = any(case.annotation is not None for _, case in chosen)
    blocks = "".join(_case_block(content, title, case) for title, case in chosen)
    structures = "".join(f"<span>{swatch(item)}{escape(item.name)}</span>" for item in content.structures)
    thin = '<span><i class="thin"></i>annotation</span>' if annotated else ""
    return (
        "<section><h2>Pictures</h2><p>The slice of each case in which the structures are largest. Where the fill of "
        "the prototype-based prediction and the outline of the final one part, the two disagree.</p>"
        f'<div class="key">{structures}<span><i class="fill"></i>prototype-based</span>'
        f'<span><i class="outline"></i>final</span>{thin}</div>{blocks}</section>'
    )


def chosen_cases(content: ReportContent) -> list[tuple[str, ReportCase]]:
    """Return the best, median and worst case by mean Dice of the final prediction; without scores, by certainty."""
    by_id = {case.id: case for case in content.cases}
    dice = {
        name: value for name, value in case_means(of_kind(content.scores, "final"), "dice").items() if name in by_id
    }
    if dice:
        ranked = [by_id[name] for name in sorted(dice, key=lambda name: -dice[name])]
        places = {"Best case": 0, "Median case": len(ranked) // 2, "Worst case": len(ranked) - 1}
        figures = {case.id: f"mean Dice {dice[case.id]:.3f}" for case in ranked}
    else:
        ranked = sorted(content.cases, key=lambda case: case.summary.uncertainty)
        places = {"Most certain case": 0, "Least certain case": len(ranked) - 1}
        figures = {case.id: f"uncertainty {case.summary.uncertainty:.2f}" for case in ranked}
    chosen: dict[str, tuple[str, ReportCase]] = {}
    for title, place in places.items() if ranked else ():
        case = ranked[place]
        chosen.setdefault(case.id, (f"{title}: {case.id} ({figures[case.id]})", case))
    return list(chosen.values())


def _case_block(content: ReportContent, title: str, case: ReportCase) -> str:
    try:
        pictures = draw_case(content, case)
    except UserError as error:
        return f"<h3>{escape(title)}</h3><p>No picture: {escape(str(error))}</p>"
    views = (
        (pictures.image, f"Image, slice {pictures.slice_number} of {pictures.slices}"),
        (pictures.prototype, "Prototype-based prediction"),
        (pictures.final, "Final prediction"),
    )
    figures = "".join(
        f'<figure><img src="{png_data_uri(picture)}" alt="{escape(caption)} of {escape(case.id)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for picture, caption in views
    )
    return f'<h3>{escape(title)}</h3><div class="pictures">{figures}</div>'


def draw_case(content: ReportContent, case: ReportCase) -> CasePictures:
    """Draw one case of a report, without its annotation where that cannot be read.

    Raises:
        UserError: The image or a prediction cannot be read.
    """
    image = read_image(case.image)
    annotation = None
    if case.annotation is not None:
        with contextlib.suppress(UserError):
            annotation = read_classes_of_model(case.annotation, image, content.structures, content.annotated)
    final, prototype = (read_classes(case.predictions / name, content.structures) for name in SEGMENTATIONS.values())
    return case_pictures(image, final, prototype, annotation, content.plan, content.structures, content.modality)
