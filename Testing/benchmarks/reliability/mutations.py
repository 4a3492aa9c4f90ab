"""Random damage to bytes and to JSON; the same generator does the same damage."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

ABSURD_NUMBERS = (b"0", b"-1", b"1000000", b"99999999999999999999", b"1e400", b"nan", b"2147483648", b"65536")
ABSURD_TEXTS = (
    "",
    " ",
    ".",
    "..",
    "../../outside/keep.txt",
    "..\\..\\outside\\keep.txt",
    "/etc/hostname",
    "/dev/zero",
    "C:\\Windows\\win.ini",
    "CON",
    "nul\u0000byte",
    "\ud800",
    "\u202e\u0007",
    "x" * 300,
    "x" * 5000,
    "%s%n{0}{id}",
    "<script>alert(1)</script>",
    "$(touch marker)",
)
_ABSURD_VALUES = (
    None,
    True,
    -1,
    0,
    1.5,
    10**6,
    2**63,
    10**30,
    float("nan"),
    float("inf"),
    [],
    {},
    [[[]]],
    {"a": {"b": None}},
    *ABSURD_TEXTS,
)


def damage_bytes(generator: random.Random, data: bytes) -> tuple[bytes, str]:
    """Damage some bytes; returns them and what was done."""
    name, change = generator.choice(_BYTE_DAMAGES)
    return change(generator, data), name


def damage_json(generator: random.Random, data: bytes) -> tuple[bytes, str]:
    """Damage the bytes of a JSON text, or one of its values."""
    if generator.random() < 0.25:
        return damage_bytes(generator, data)
    if generator.random() < 0.1:
        depth = generator.choice([10, 100_000])
        return b"[" * depth + b"]" * depth, f"{depth} lists in each other"
    tree = json.loads(data)
    where, what = _damage_tree(generator, tree)
    # Not every text that JSON can say is one that UTF-8 can.
    return json.dumps(tree).encode("utf-8", "surrogatepass"), f"{what} at {where}"


def damage_line(generator: random.Random, data: bytes) -> tuple[bytes, str]:
    """Damage one line of a file that has a JSON object in each."""
    lines = data.splitlines(keepends=True)
    number = generator.randrange(len(lines))
    changed, what = damage_json(generator, lines[number])
    lines[number] = changed.rstrip(b"\n") + b"\n"
    return b"".join(lines), f"line {number}: {what}"


def _damage_tree(generator: random.Random, tree: Any) -> tuple[str, str]:
    holder, key, where = _any_place(generator, tree)
    kind = generator.choice(["replace"] * 5 + ["remove", "double", "add"])
    if kind == "remove":
        del holder[key]
    elif kind == "double" and isinstance(holder, list):
        holder.append(holder[key])
    elif kind == "add" and isinstance(holder, dict):
        holder["unknown"] = generator.choice(_ABSURD_VALUES)
    else:
        value = generator.choice(_ABSURD_VALUES)
        holder[key], kind = value, f"{str(value)[:40]!r}"
    return where, kind


def _any_place(generator: random.Random, tree: Any) -> tuple[Any, Any, str]:
    """Draw an entry of the tree, all of them alike: its holder, its key, and the way there."""
    places: list[tuple[Any, Any, str]] = []

    def visit(node: Any, where: str) -> None:
        entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in entries:
            places.append((node, key, f"{where}/{key}"))
            visit(value, f"{where}/{key}")

    visit(tree, "")
    return generator.choice(places)


def _flip(generator: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    # The beginning is the header of most files; damage there does more.
    end = len(changed) if generator.random() < 0.5 else min(len(changed), 400)
    for _ in range(generator.choice([1, 1, 2, 16])):
        changed[generator.randrange(end)] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _truncate(generator: random.Random, data: bytes) -> bytes:
    return data[: generator.randrange(len(data))]


def _remove(generator: random.Random, data: bytes) -> bytes:
    start = generator.randrange(len(data))
    return data[:start] + data[start + generator.choice([1, 4, 64, 1000]) :]


def _insert(generator: random.Random, data: bytes) -> bytes:
    start = generator.randrange(len(data))
    return data[:start] + generator.randbytes(generator.choice([1, 8, 300])) + data[start:]


def _blank(generator: random.Random, data: bytes) -> bytes:
    start, length = generator.randrange(len(data)), generator.choice([4, 64, 4000])
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def _replace_number(generator: random.Random, data: bytes) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data[:4000]))
    if not found:
        return _flip(generator, data)
    match = generator.choice(found)
    return data[: match.start()] + generator.choice(ABSURD_NUMBERS) + data[match.end() :]


Damage = Callable[[random.Random, bytes], bytes]
_BYTE_DAMAGES: tuple[tuple[str, Damage], ...] = (
    ("bits flipped", _flip),
    ("bits flipped", _flip),
    ("cut short", _truncate),
    ("bytes removed", _remove),
    ("bytes inserted", _insert),
    ("bytes set to zero", _blank),
    ("a number replaced", _replace_number),
    ("a number replaced", _replace_number),
    ("empty", lambda generator, data: b""),
    ("random bytes", lambda generator, data: generator.randbytes(generator.choice([1, 100, 5000]))),
)
