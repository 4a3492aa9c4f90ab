"""Voxel spacings that headers do not give, or not in millimetres; ITK takes them for 1 mm without a word."""

from __future__ import annotations

import math
import re
import struct
import zlib
from pathlib import Path

from .errors import UserError
from .integrity import damaged, meta_fields, nrrd_fields
from .nifti import check_nifti_spacing, no_spacing

_AXES = 3
# Formats that know no distance between slices.
_PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_MILLIMETRES = {"mm", "millimeter", "millimeters", "millimetre", "millimetres", "???", ""}
_QUOTED = re.compile(r'"([^"]*)"')
_NUMBERS = re.compile(r"[^\s(),]+")


def check_spacing_is_given(path: Path) -> None:
    """Raise UserError for an NRRD, NIfTI or MetaImage file whose header gives no spacing in mm, and for pictures."""
    name = path.name.lower()
    try:
        if name.endswith((".nrrd", ".nhdr")):
            _check_nrrd(path)
        elif name.endswith((".mha", ".mhd")):
            fields = meta_fields(path)
            if "elementspacing" not in fields and "elementsize" not in fields:
                raise no_spacing(path)
        elif name.endswith(_PICTURES):
            raise no_spacing(path)
        else:
            check_nifti_spacing(path)
    except (OSError, EOFError, ValueError, OverflowError, struct.error, zlib.error) as error:
        raise damaged(path) from error


def _check_nrrd(path: Path) -> None:
    with path.open("rb") as file:
        fields = nrrd_fields(file)
    directions, spacings = fields.get("space directions"), fields.get("spacings")
    if directions is not None:
        # An axis that is no direction in space, as that of layers, is called none.
        vectors = [_NUMBERS.findall(vector) for vector in re.findall(r"\([^)]*\)", directions)]
        given = sum(all(math.isfinite(float(part)) for part in vector) for vector in vectors)
    elif spacings is not None:
        given = sum(math.isfinite(float(part)) and float(part) != 0 for part in spacings.split())
    else:
        given = 0
    if given < _AXES:
        raise no_spacing(path)
    units = {unit.strip().lower() for unit in _QUOTED.findall(fields.get("space units", "") + fields.get("units", ""))}
    other_units = sorted(units - _MILLIMETRES)
    if other_units:
        raise UserError(
            f"{path.name} gives its voxel spacing in {other_units[0]!r}.", "Save it again with its spacing in mm."
        )
