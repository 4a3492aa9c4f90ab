"""New events of a worker, a piece at a time."""

from __future__ import annotations

from pathlib import Path

from ...jobs.events import Event, from_line

_PIECE = 16 * 1024


class EventTail:
    """Reads a growing file of events from its beginning, each byte once.

    A line that is not complete yet is kept until the rest of it is there; a damaged line is left out, and the ones
    around it are not lost. A call returns about a hundred lines, so that the history of a long round does not block
    the panel.

    Args:
        path: Path of the file, which may not exist yet.
        history: Number of its bytes that earlier workers wrote.
    """

    def __init__(self, path: Path, history: int = 0) -> None:
        self._path = path
        self._history = history
        self._offset = 0
        self._rest = b""
        self.has_more = True

    @property
    def in_history(self) -> bool:
        """Whether the next call of `read` returns events of earlier workers."""
        return self._offset < self._history

    def read(self) -> list[Event]:
        """Return the next events; `has_more` says whether there may be further ones by now."""
        size = min(_PIECE, self._history - self._offset) if self.in_history else _PIECE
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                piece = file.read(size)
        except OSError:
            # Not there yet, deleted, or on a share that went away: how the worker ends will say which.
            piece = b""
        self._offset += len(piece)
        self.has_more = len(piece) == size
        if self.in_history and not piece:
            self._history = self._offset
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [event for line in lines if (event := _event(line)) is not None]


def _event(line: bytes) -> Event | None:
    try:
        return from_line(line.decode("utf-8"))
    except ValueError:
        return None
