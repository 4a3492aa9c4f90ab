"""A signal of plain Python, because signals that Python defines for Qt are fragile in Slicer."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    """Calls all connected functions, in the order of connection."""

    def __init__(self) -> None:
        self._receivers: list[Callable[..., object]] = []

    def connect(self, receiver: Callable[..., object]) -> None:
        """Call `receiver` at every `emit`; connecting it twice changes nothing."""
        if receiver not in self._receivers:
            self._receivers.append(receiver)

    def disconnect(self, receiver: Callable[..., object]) -> None:
        """Stop calling `receiver`; nothing happens when it is not connected."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def emit(self, *arguments: object) -> None:
        """Call everyone who is connected with these arguments; who is disconnected meanwhile is left out."""
        for receiver in tuple(self._receivers):
            if receiver in self._receivers:
                receiver(*arguments)
