"""UniSeMi in the form that the settings select: as published, as released, or for images that show all structures."""

from __future__ import annotations

from .method import Method, MethodContext
from .unisemi_paper import UniSeMi
from .unisemi_released import ReleasedUniSeMi
from .unisemi_shared import SharedAnatomyUniSeMi


def build(context: MethodContext) -> Method:
    """Build the selected form of the method; with a single task all images show the same structures anyway."""
    if context.follows_released_code:
        return ReleasedUniSeMi(context)
    if context.settings["shared_anatomy"] and len(context.tasks) > 1:
        return SharedAnatomyUniSeMi(context)
    return UniSeMi(context)
