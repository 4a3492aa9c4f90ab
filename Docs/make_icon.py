"""Draw the icon of the module: an organ, half of it annotated. Needs what the tests need: pip install -e ".[test]"."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPainterPath, QPen

SIZE = 128
ICON = Path(__file__).resolve().parents[1] / "SemiSupervisedSeg" / "Resources" / "Icons" / "SemiSupervisedSeg.png"
FRAME, ANNOTATED, TO_DO = QColor("#1f3b57"), QColor("#4fc3a1"), QColor("#f2c14e")


def organ() -> QPainterPath:
    """Return a closed outline like that of a liver in an axial slice."""
    path = QPainterPath(QPointF(18, 58))
    path.cubicTo(QPointF(18, 26), QPointF(52, 14), QPointF(78, 22))
    path.cubicTo(QPointF(104, 30), QPointF(116, 46), QPointF(110, 62))
    path.cubicTo(QPointF(104, 78), QPointF(82, 70), QPointF(74, 86))
    path.cubicTo(QPointF(66, 104), QPointF(52, 116), QPointF(36, 108))
    path.cubicTo(QPointF(20, 100), QPointF(18, 78), QPointF(18, 58))
    return path


def draw(painter: QPainter) -> None:
    """Draw the left half filled, as annotated by a person, and the right half as an outline for the model."""
    painter.setRenderHint(QPainter.Antialiasing)
    painter.setPen(Qt.NoPen)
    painter.setBrush(FRAME)
    painter.drawRoundedRect(QRectF(0, 0, SIZE, SIZE), 22, 22)
    painter.setClipRect(QRectF(0, 0, SIZE / 2, SIZE))
    painter.setBrush(ANNOTATED)
    painter.drawPath(organ())
    painter.setClipRect(QRectF(SIZE / 2, 0, SIZE / 2, SIZE))
    painter.setBrush(Qt.NoBrush)
    pen = QPen(TO_DO, 11, Qt.CustomDashLine, Qt.RoundCap)
    pen.setDashPattern([0.9, 1.5])
    painter.setPen(pen)
    painter.drawPath(organ())


def main() -> None:
    """Write the icon."""
    application = QGuiApplication.instance() or QGuiApplication([])
    image = QImage(SIZE, SIZE, QImage.Format_ARGB32)
    image.fill(Qt.transparent)
    painter = QPainter(image)
    draw(painter)
    painter.end()
    ICON.parent.mkdir(parents=True, exist_ok=True)
    if not image.save(str(ICON)):
        raise OSError(f"{ICON} cannot be written.")
    del application


if __name__ == "__main__":
    main()
