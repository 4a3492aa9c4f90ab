"""Changes of nodes that Slicer shall follow once, and not one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import slicer


@contextlib.contextmanager
def modifiedOnce(*nodes: slicer.vtkMRMLNode | None) -> Iterator[None]:
    """Hold the events of some nodes back while the block runs: views follow each of them at once, which takes time."""
    present = [node for node in nodes if node is not None]
    before = [node.StartModify() for node in present]
    try:
        yield
    finally:
        for node, state in zip(present, before, strict=True):
            node.EndModify(state)
