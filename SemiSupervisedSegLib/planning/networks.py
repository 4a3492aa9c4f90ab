"""Which network a plan trains, and what a method has changed in it."""

from __future__ import annotations

from dataclasses import dataclass

_EMBEDDED, _TASKS = "_embedded", " for tasks "


@dataclass(frozen=True)
class NetworkSpec:
    """A network as it is built.

    Attributes:
        backbone: Name in `engine.networks.factory`.
        embedded: Whether the classifier has an additional embedding (AUA).
        tasks: Class indices of the structures of each task, for a network that segments task by task (UniSeMi).
        dynamic: Whether the bottleneck has a convolution whose kernels depend on the image (ASE-Net).
    """

    backbone: str
    embedded: bool = False
    tasks: tuple[tuple[int, ...], ...] = ()
    dynamic: bool = False

    def __str__(self) -> str:
        """Return the words for reports and messages, such as "v_net for tasks 1+2, 3"."""
        words = self.backbone + (" with embedding" if self.embedded else "")
        words += " with dynamic convolution" if self.dynamic else ""
        tasks = ", ".join("+".join(map(str, task)) for task in self.tasks)
        return words + (_TASKS + tasks if tasks else "")

    @classmethod
    def from_name(cls, name: str) -> NetworkSpec:
        """Read the name by which plans and models once stored a network, such as "v_net_embedded".

        Raises:
            ValueError: The name is none of these.
        """
        backbone, separator, tasks = name.partition(_TASKS)
        texts = tasks.split(", ") if separator else []
        groups = tuple(tuple(int(index) for index in text.split("+")) for text in texts)
        return cls(backbone.removesuffix(_EMBEDDED), backbone.endswith(_EMBEDDED), groups)
