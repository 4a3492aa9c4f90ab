"""The methods of the catalogue: `<id>.py` in this folder builds the method with that id."""

from __future__ import annotations

import importlib

from ...jobs.catalogue import load_catalogue
from .method import Method, MethodContext


def build_method(method_id: str, context: MethodContext) -> Method:
    """Build a method with fresh networks, in the form that its settings select.

    Args:
        method_id: Id of the method in the catalogue.
        context: What the method is built from.

    Raises:
        UserError: The catalogue has no such method.
    """
    entry = load_catalogue().method(method_id)
    return importlib.import_module(f".{entry.id}", __package__).build(context)
