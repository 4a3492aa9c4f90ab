"""How the results of a case are shown: three switches with a legend, the heatmap, the layout and the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import qt
from slicer.i18n import tr as _

from ....jobs.results import CaseSummary
from ....study.model import Structure
from ...logic.quality import QualityFlag
from ...logic.wording import plain_tooltip
from ...scene.styles import STYLES, heatColor, legendColor
from ...services import Color
from ..buttons import setEnabledWithReason
from ..section import PanelContext, SectionPart, Widgets
from ..tables import makeCell, setUpTable
from .flag_texts import flagsInWords

_ICON = 20
_SCALE_WIDTH = 150
# Like the dark part of an image behind it.
_GREY = (48, 48, 48)
_NO_STRUCTURE = (128, 128, 128)


class ReviewView(SectionPart):
    """The widgets of Review.ui that change the display and nothing else.

    Args:
        ui: Widgets of Review.ui.
        context: What the panel works with.
    """

    def __init__(self, ui: Widgets, context: PanelContext) -> None:
        super().__init__(ui, context)
        self._switches = {
            "annotation": ui.showAnnotationBox,
            "prototype": ui.showPrototypeBox,
            "final": ui.showFinalBox,
            "in_3d": ui.show3dBox,
        }
        self._setUpChoices()
        self._setUpNumbers()
        self._connect()

    def refresh(self, reason: str) -> None:
        """Enable what needs a shown case, or say why it cannot be used."""
        ui = self.ui
        heatmapHint = _(
            "Warm colours over the image: how probable any structure or one of them is, how unsure the model is, "
            "or where the two results differ"
        )
        setEnabledWithReason(ui.heatmapBox, reason, heatmapHint)
        setEnabledWithReason(ui.layoutBox, reason, _("Where the two results are shown"))
        self._refreshOpacity(reason)

    def showLegend(self, structures: Sequence[Structure]) -> None:
        """Draw the style of every switch beside it, in the colour of the first structure."""
        color = structures[0].color if structures else _NO_STRUCTURE
        for kind, box in self._switches.items():
            if kind not in STYLES:
                continue
            box.setIconSize(qt.QSize(_ICON, _ICON))
            box.setIcon(qt.QIcon(_legendPicture(kind, color)))

    def offerHeatmaps(self, structures: Sequence[Structure]) -> None:
        """List the maps, with one for each of several structures; the chosen one stays where it is still offered."""
        box = self.ui.heatmapBox
        chosen, before = box.currentData or "", box.blockSignals(True)
        box.clear()
        for title, name in (
            (_("None"), ""),
            (_("Probability"), "probability"),
            (_("Uncertainty"), "uncertainty"),
            (_("Disagreement"), "disagreement"),
        ):
            box.addItem(title, name)
        for index, structure in enumerate(structures if len(structures) > 1 else (), 1):
            box.addItem(_("Probability of {structure}").format(structure=structure.name), f"probability-{index}")
        box.setCurrentIndex(max(0, box.findData(chosen)))
        box.blockSignals(before)
        if (box.currentData or "") != chosen:
            self._showHeatmap()

    def showNumbers(self, summary: CaseSummary | None, structures: Sequence[Structure]) -> None:
        """List volumes and agreement of every structure of a result, none to list nothing."""
        table = self.ui.numbersTable
        colors = {structure.name: structure.color for structure in structures}
        names = [] if summary is None else list(summary.volume_final_ml)
        table.setRowCount(len(names))
        for row, name in enumerate(names):
            first = makeCell(name)
            first.setIcon(qt.QIcon(_colorPicture(colors.get(name, _NO_STRUCTURE))))
            first.setToolTip(plain_tooltip(name))
            table.setItem(row, 0, first)
            for column, text in enumerate(_numbers(summary, name), 1):
                table.setItem(row, column, makeCell(text, qt.Qt.AlignRight))
        rows = sum(table.rowHeight(row) for row in range(len(names)))
        height = table.horizontalHeader().sizeHint.height() + rows + 2 * table.frameWidth
        table.setFixedHeight(height)
        table.setVisible(bool(names))

    def showFlags(self, flags: Sequence[QualityFlag]) -> None:
        """Say what is rarely right in the shown result."""
        self.ui.flagsLabel.setText(flagsInWords(flags))
        self.ui.flagsLabel.setVisible(bool(flags))

    def settings(self) -> dict[str, str]:
        """Return the settings for a saved scene."""
        shown = {kind: str(int(box.checked)) for kind, box in self._switches.items()}
        heatmap = self.ui.heatmapBox.currentData or ""
        return shown | {
            "heatmap": heatmap,
            "opacity": str(self.ui.opacitySlider.value),
            "layout": self.ui.layoutBox.currentData,
        }

    def restore(self, settings: Mapping[str, str]) -> None:
        """Show things as a scene remembers them; what it does not know stays."""
        for kind, box in self._switches.items():
            if settings.get(kind) in ("0", "1"):
                box.setChecked(settings[kind] == "1")
        if settings.get("opacity", "").isdecimal():
            self.ui.opacitySlider.setValue(int(settings["opacity"]))
        for box, name in ((self.ui.heatmapBox, "heatmap"), (self.ui.layoutBox, "layout")):
            index = box.findData(settings.get(name, ""))
            if index >= 0:
                box.setCurrentIndex(index)

    def _setUpChoices(self) -> None:
        ui = self.ui
        self.offerHeatmaps(())
        ui.heatmapScale.setVisible(False)
        ui.heatmapScale.setPixmap(_scalePicture())
        ui.heatmapScale.setToolTip(_("From 0 % (left) to 100 % (right); below 10 % the image is seen"))
        ui.layoutBox.addItem(_("Both results in the same views"), "overlaid")
        ui.layoutBox.addItem(_("Side by side: prototype-based, final"), "side_by_side")
        ui.showAnnotationBox.setToolTip(_("Thin light outline: what you drew or accepted (key 1)"))
        ui.showPrototypeBox.setToolTip(
            _("Filled: every point is compared with typical points of each structure in the annotated images (key 2)")
        )
        ui.showFinalBox.setToolTip(
            _("Thick outline: the model's result; check the places where it leaves the filled area (key 3)")
        )

        ui.show3dBox.setToolTip(_("Surfaces of the final result in the 3D view; they take a moment for large images"))

    def _setUpNumbers(self) -> None:
        table = self.ui.numbersTable
        setUpTable(table, (_("Structure"), _("Final\nmL"), _("Prototype\nmL"), _("Agree")))
        table.horizontalHeaderItem(3).setToolTip(_("Agreement of the two results: 1.00 is the same, 0.00 is apart"))
        table.horizontalHeader().setSectionsClickable(False)

    def _connect(self) -> None:
        for kind, box in self._switches.items():
            box.connect("toggled(bool)", lambda visible, kind=kind: self._setVisible(kind, visible))
        self.ui.heatmapBox.connect("currentIndexChanged(int)", lambda index: self._showHeatmap())
        self.ui.opacitySlider.connect("valueChanged(int)", lambda value: self._showHeatmap())
        self.ui.layoutBox.connect("currentIndexChanged(int)", lambda index: self._setLayout())

    def _setVisible(self, kind: str, visible: bool) -> None:
        self._scene.setVisible(kind, visible)
        self._session.view_changed.emit()

    def _showHeatmap(self) -> None:
        kind = self.ui.heatmapBox.currentData or None
        self._try(lambda: self._scene.setHeatmap(kind, self.ui.opacitySlider.value / 100))
        self._refreshOpacity("")
        self.ui.heatmapScale.setVisible(kind is not None)
        self._session.view_changed.emit()

    def _refreshOpacity(self, reason: str) -> None:
        noHeatmap = "" if self.ui.heatmapBox.currentData else _("Choose a heatmap first.")
        setEnabledWithReason(self.ui.opacitySlider, reason or noHeatmap, _("Opacity of the heatmap"))

    def _setLayout(self) -> None:
        self._scene.setLayout(self.ui.layoutBox.currentData)
        self._session.view_changed.emit()


def _numbers(summary: CaseSummary, name: str) -> tuple[str, str, str]:
    volumes = [milliliters(values.get(name, 0.0)) for values in (summary.volume_final_ml, summary.volume_prototype_ml)]
    return volumes[0], volumes[1], f"{summary.dice.get(name, 0.0):.2f}"


def milliliters(volume: float) -> str:
    """Format a volume in mL with three significant digits: 0.123, 1.23, 12.3, 123, 1234."""
    decimals = 3 if volume < 1 else 2 if volume < 10 else 1 if volume < 100 else 0
    return f"{volume:.{decimals}f}" if volume else "0"


def _colorPicture(color: Color) -> qt.QPixmap:
    picture = qt.QPixmap(_ICON - 8, _ICON - 8)
    picture.fill(qt.QColor(*color))
    return picture


def _scalePicture() -> qt.QPixmap:
    """Draw the colours of heatmaps from 0 to 1 with their numbers."""
    picture = qt.QPixmap(_SCALE_WIDTH + 90, _ICON)
    picture.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(picture)
    painter.setPen(qt.QApplication.palette().color(qt.QPalette.WindowText))
    painter.drawText(0, 0, 30, _ICON, qt.Qt.AlignRight | qt.Qt.AlignVCenter, "0 %")
    painter.drawText(_SCALE_WIDTH + 36, 0, 54, _ICON, qt.Qt.AlignLeft | qt.Qt.AlignVCenter, "100 %")
    for x in range(_SCALE_WIDTH):
        painter.fillRect(32 + x, 4, 1, _ICON - 8, qt.QColor(*heatColor(x / (_SCALE_WIDTH - 1))))
    painter.end()
    return picture


def _legendPicture(kind: str, color: Color) -> qt.QPixmap:
    """Return a small square in the style of a structure of this kind in the views."""
    style, color = STYLES[kind], legendColor(kind, color)
    picture = qt.QPixmap(_ICON, _ICON)
    picture.fill(qt.QColor(*_GREY))
    painter = qt.QPainter(picture)
    inside = qt.QRect(3, 3, _ICON - 7, _ICON - 7)
    if style.fill:
        painter.fillRect(inside, qt.QColor(*color, round(255 * style.fill)))
    if style.outline:
        pen = qt.QPen(qt.QColor(*color))
        pen.setWidth(style.outline)
        painter.setPen(pen)
        painter.drawRect(inside)
    painter.end()
    return picture
