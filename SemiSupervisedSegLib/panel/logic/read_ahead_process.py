"""The process that reads files ahead: a line with a request comes in, the voxels go to a file, a line goes out.

It ends, and removes its files, when its standard input is closed, as when Slicer ends in any way.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...jobs.records import from_plain, to_plain
from ...study.errors import UserError
from ...study.geometry import Geometry
from .case_files import FileContent, FileRequest, read_content


def encode_request(request: FileRequest) -> bytes:
    """Return the line that asks for a file."""
    return json.dumps(to_plain(request)).encode() + b"\n"


def encode_content(content: FileContent, stamp: tuple[int, ...], file: Path) -> dict[str, Any]:
    """Return what a line says of a content, whose voxels go to a file of their own.

    Args:
        content: What was read.
        stamp: Stamp of the request from before it was read.
        file: Path of the voxels; not written when there are none.
    """
    if content.values is not None:
        np.save(file, content.values)
    rest = replace(content, values=None, geometry=None, owner=None)
    geometry = None if content.geometry is None else to_plain(content.geometry)
    plain = {name: value for name, value in to_plain(rest).items() if value is not None}
    return plain | {"geometry": geometry, "stamp": stamp, "file": "" if content.values is None else str(file)}


def decode_content(entry: dict[str, Any]) -> FileContent:
    """Return the content of a line; its voxels stay in their file until they are used. Raises OSError, ValueError."""
    values = np.load(entry["file"], mmap_mode="r") if entry["file"] else None
    geometry = None if entry["geometry"] is None else from_plain(Geometry, entry["geometry"])
    place, window = entry.get("place"), entry.get("window")
    return FileContent(
        values,
        geometry,
        None if window is None else tuple(window),
        tuple(entry.get("uids", ())),
        entry.get("terminology", {}),
        None if place is None else tuple(place),
    )


def main() -> None:
    """Serve requests until there are no more; what cannot be read is told by an empty line."""
    with tempfile.TemporaryDirectory(prefix="semi-supervised-seg-") as folder:
        for number, line in enumerate(sys.stdin):
            entry: dict[str, Any] = {}
            # The panel reads such a file itself, and tells the user what is wrong with it.
            with contextlib.suppress(UserError, OSError, MemoryError):
                request = from_plain(FileRequest, json.loads(line))
                stamp = request.stamp()
                entry = encode_content(read_content(request), stamp, Path(folder) / f"{number}.npy")
            print(json.dumps(entry), flush=True)


if __name__ == "__main__":
    main()
