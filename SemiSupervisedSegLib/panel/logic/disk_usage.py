"""How much disk a study takes, and how parts of it are freed, in steps between which the panel stays responsive."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from ...jobs.folder import JobFolder
from ...study.errors import UserError
from ...study.files import TEMPORARY_PREFIX
from ...study.layout import StudyFolder
from .round_names import round_title

_FILES_AT_ONCE = 50
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Part(Enum):
    """What a part of a study is."""

    DATA = auto()
    CACHE = auto()
    ROUND = auto()
    COMPARISON = auto()
    OTHER = auto()


@dataclass(frozen=True)
class DiskItem:
    """A part of a study on disk: its name (of a round or comparison), where it lies, and its size in bytes."""

    part: Part
    name: str
    paths: tuple[Path, ...]
    size: int = 0


def measure(folder: Path) -> Iterator[tuple[DiskItem, ...]]:
    """Measure all parts of a study, and yield the sizes so far after some files each; the last is complete."""
    items = _parts(folder)
    done: list[DiskItem] = []
    for item in items:
        size = 0
        for size in _sizes(item.paths):
            yield (*done, _with_size(item, size))
        done.append(_with_size(item, size))
        yield tuple(done)


def remove_folder(path: Path) -> Iterator[None]:
    """Delete a folder in steps of some files; it is gone by name at once.

    Raises UserError when the system refuses.
    """
    if not path.exists():
        return
    # What is half deleted must not be taken for a cache or a round.
    doomed = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{path.name}")
    try:
        path.rename(doomed)
        yield from _delete(doomed)
    except OSError as error:
        raise UserError(
            f"{path.name} could not be deleted ({error.strerror}).",
            "Close programs that use its files, and try again.",
        ) from error


def check_unused(rounds: Sequence[JobFolder]) -> None:
    """Raise UserError when a training of this or another program is at work in one of the rounds."""
    running = [folder.name for folder in rounds if folder.is_running()]
    if running:
        raise UserError(f"{round_title(running[0])} is running.", "Stop it or wait until it ends.")


def size_words(size: int) -> str:
    """Format a size in bytes, such as 1.2 GB."""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else 1
    return f"{value:.{digits}f} {_UNITS[unit]}"


def _parts(folder: Path) -> list[DiskItem]:
    places = StudyFolder(folder)
    data = [places.images, places.annotations]
    rounds, comparisons = map(_folders, (places.rounds, places.comparisons))
    listed = {*data, places.cache, places.rounds, places.comparisons}
    remaining = tuple(path for path in sorted(folder.glob("*")) if path not in listed)
    return [
        DiskItem(Part.DATA, "", tuple(data)),
        DiskItem(Part.CACHE, "", (places.cache,)),
        *(DiskItem(Part.ROUND, path.name, (path,)) for path in rounds),
        *(DiskItem(Part.COMPARISON, path.name, (path,)) for path in comparisons),
        DiskItem(Part.OTHER, "", remaining),
    ]


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob("[!.]*") if path.is_dir())


def _with_size(item: DiskItem, size: int) -> DiskItem:
    return DiskItem(item.part, item.name, item.paths, size)


def _sizes(paths: Sequence[Path]) -> Iterator[int]:
    """Yield the size so far, after some files each."""
    size = count = 0
    for path in paths:
        for file in _files(path):
            try:
                size += file.lstat().st_size
            except OSError:
                # A worker replaces its files while they are counted.
                continue
            count += 1
            if count % _FILES_AT_ONCE == 0:
                yield size
    yield size


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for current, _, names in os.walk(path):
        for name in names:
            yield Path(current) / name


def _delete(path: Path) -> Iterator[None]:
    if path.is_symlink():
        path.unlink()
        return
    count = 0
    for current, folders, names in os.walk(path, topdown=False):
        for name in names:
            (Path(current) / name).unlink()
            count += 1
            if count % _FILES_AT_ONCE == 0:
                yield
        for name in folders:
            place = Path(current) / name
            place.unlink() if place.is_symlink() else place.rmdir()
    path.rmdir()
