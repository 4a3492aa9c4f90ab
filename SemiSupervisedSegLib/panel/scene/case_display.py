"""Display style and position of the nodes of the displayed case."""

from __future__ import annotations

from pathlib import Path

import slicer

from ...jobs.structure_maps import structure_map
from . import views
from .hierarchy import putIntoFolder
from .segments import showSurface
from .styles import EDITING, STYLES, applyHeatmapStyle, applyStyle
from .tags import ANNOTATION, FINAL, HEATMAPS, KINDS, PROBABILITY, PROTOTYPE, SEGMENTATIONS, CaseNodes

IN_3D = "in_3d"
"""The final prediction as surfaces in the 3D views."""
_SIDES = {PROTOTYPE: views.LEFT, FINAL: views.RIGHT}


class CaseDisplay:
    """Keeps what the user wants to see, also for the cases that are shown later.

    Attributes:
        hidden: Kinds of segmentations that are switched off, and `IN_3D` while there are no surfaces.
        heatmap: Kind of the map over the image, None for no map.
        structure: Class index of the structure whose probability is shown, 0 for all structures together.
        opacity: Opacity of the map, 0 to 1.
        isEditing: Whether the annotation is being edited.
        resultsWhileEditing: Whether the predictions are shown over what is being edited, which they cover.
    """

    def __init__(self) -> None:
        self.hidden: set[str] = {IN_3D}
        self.heatmap: str | None = None
        self.structure = 0
        self.opacity = 0.5
        self.isEditing = self.resultsWhileEditing = False

    def chooseHeatmap(self, name: str | None, opacity: float) -> bool:
        """Note the map to show, such as "uncertainty" or "probability-2", and return whether it is another one."""
        before = self.heatmap, self.structure
        kind, _dash, number = (name or "").partition("-")
        self.heatmap, self.structure, self.opacity = kind or None, int(number or 0), opacity
        return before != (self.heatmap, self.structure)

    def fileOf(self, kind: str, path: Path | None) -> Path | None:
        """Return the file of a prediction that is read: of the maps, which are large, only that of the one shown.

        Args:
            kind: Kind of the prediction.
            path: Its file, None where there is none.

        Returns:
            None where nothing is shown, as for a structure of which an older program wrote no map.
        """
        if path is None or kind not in HEATMAPS:
            return path
        if kind == PROBABILITY and self.structure:
            path = path.with_name(structure_map(self.structure))
        return path if kind == self.heatmap and path.is_file() else None

    def startEditing(self) -> None:
        """Show the annotation, and not the predictions."""
        self.isEditing, self.resultsWhileEditing = True, False
        self.hidden.discard(ANNOTATION)

    def arrange(self, nodes: CaseNodes, title: str, isChanged: bool) -> None:
        """Set the style and the place of all nodes of a case; `isChanged` says that the annotation is not saved."""
        if nodes.annotation is not None:
            applyStyle(nodes.annotation, EDITING if self.isEditing or isChanged else STYLES[ANNOTATION])
        for kind in HEATMAPS:
            if getattr(nodes, kind) is not None:
                applyHeatmapStyle(getattr(nodes, kind))
        present = [getattr(nodes, kind) for kind in KINDS]
        putIntoFolder(nodes.case_id, title, [node for node in present if node is not None])
        self.showSegmentations(nodes)
        self.showHeatmap(nodes)
        self.showSides(nodes)

    def showImage(self, nodes: CaseNodes, isOther: bool) -> None:
        """Show the image of a case in all slice views, unless it is shown already, as after a scene was loaded.

        `isOther` says that its node, which may be shown already, had another image before.
        """
        if nodes.volume is not None and (isOther or not views.isShown(nodes.volume)):
            views.showVolume(nodes.volume)
            if views.currentLayout() == views.SIDE_BY_SIDE:
                views.applyLayout(views.SIDE_BY_SIDE, nodes.volume)

    def showSegmentations(self, nodes: CaseNodes) -> None:
        """Show or hide the segmentations of a case."""
        withResults = not self.isEditing or self.resultsWhileEditing
        for kind in SEGMENTATIONS:
            node = getattr(nodes, kind)
            if node is not None:
                node.SetDisplayVisibility(kind not in self.hidden and (kind == ANNOTATION or withResults))
        if nodes.final is not None and showSurface(nodes.final, IN_3D not in self.hidden):
            slicer.util.resetThreeDViews()

    def showHeatmap(self, nodes: CaseNodes) -> None:
        """Show the chosen map over the image."""
        views.showHeatmap(None if self.heatmap is None else getattr(nodes, self.heatmap), self.opacity)

    def showSides(self, nodes: CaseNodes) -> None:
        """Show both predictions in all views, or each in its own when they are side by side."""
        apart = views.currentLayout() == views.SIDE_BY_SIDE
        for kind, side in _SIDES.items():
            node = getattr(nodes, kind)
            if node is not None:
                views.showOnlyIn(node.GetDisplayNode(), side if apart else None)
