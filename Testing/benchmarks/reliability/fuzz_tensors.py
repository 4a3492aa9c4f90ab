"""Files of tensors that are whole and hold something wrong."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_WRONG = (None, -5, 10**9, "text", [], {}, torch.zeros(3), float("nan"), True)


def damage_tensors(generator: random.Random, file: Path) -> str:
    """Change what a file of tensors says, and return what was done."""
    content = torch.load(file, weights_only=True)
    name, change = generator.choice(_DAMAGES)
    content, what = change(generator, content)
    packed = io.BytesIO()
    torch.save(content, packed)
    # Large files are links to those that the next input begins with.
    file.unlink()
    file.write_bytes(packed.getbuffer())
    return f"{name} {what}".strip()


def _replace(generator: random.Random, content: dict[str, Any]) -> tuple[Any, str]:
    key = generator.choice(list(content))
    content[key] = generator.choice(_WRONG)
    return content, f"{key} by {content[key]}"


def _replace_deep(generator: random.Random, content: dict[str, Any]) -> tuple[Any, str]:
    holder, way = content, ""
    while True:
        key = generator.choice(list(holder))
        way += f"/{key}"
        if not isinstance(holder[key], dict) or not holder[key] or generator.random() < 0.2:
            holder[key] = generator.choice(_WRONG)
            return content, f"{way} by {holder[key]}"
        holder = holder[key]


def _remove(generator: random.Random, content: dict[str, Any]) -> tuple[Any, str]:
    key = generator.choice(list(content))
    del content[key]
    return content, key


def _change_a_tensor(generator: random.Random, content: dict[str, Any]) -> tuple[Any, str]:
    places: list[tuple[dict, Any]] = []

    def visit(node: dict[str, Any]) -> None:
        for key, value in node.items():
            if isinstance(value, torch.Tensor):
                places.append((node, key))
            elif isinstance(value, dict):
                visit(value)

    visit(content)
    holder, key = generator.choice(places)
    tensor = holder[key]
    changed = {
        "not a number": lambda: torch.full_like(tensor.float(), float("nan")),
        "of no size": lambda: torch.zeros(0),
        "larger": lambda: torch.zeros(1000),
        "of integers": lambda: tensor.to(torch.int64),
        "of complex numbers": lambda: tensor.to(torch.complex64),
        "sparse": lambda: tensor.float().to_sparse(),
    }
    what = generator.choice(list(changed))
    holder[key] = changed[what]()
    return content, f"{key} {what}"


Change = Callable[[random.Random, Any], tuple[Any, str]]
_DAMAGES: tuple[tuple[str, Change], ...] = (
    ("replaced", _replace),
    ("replaced", _replace_deep),
    ("removed", _remove),
    ("a tensor", _change_a_tensor),
    ("a tensor", _change_a_tensor),
    ("a number only", lambda generator, content: (generator.choice(_WRONG), "")),
    ("an entry more", lambda generator, content: ({**content, "more": torch.zeros(2)}, "")),
)
