"""Losses and parts say shapes and sources, and their examples run; networks and methods say shapes."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest
import torch

from SemiSupervisedSegLib.engine import interpolation, losses, methods, networks, tensors
from SemiSupervisedSegLib.engine.methods import parts

# As in "(B, C, *spatial)", "(C,)" or "(*spatial)".
SHAPE = re.compile(r"\((?:[A-Z]\w*(?:, | |\)|,\))|\*spatial\))")
SOURCE = re.compile(r"[Ee]quations? \d|section [\dIV]|[Tt]able \d|[Ff]igure \d|\b(?:19|20)\d\d\b")


def modules_of(*packages: ModuleType) -> list[str]:
    """Return the names of the modules of some packages and of nothing below these."""
    return [
        f"{package.__name__}.{info.name}"
        for package in packages
        for info in pkgutil.iter_modules(package.__path__)
        if not info.ispkg
    ]


WITH_SOURCES = [*modules_of(losses, parts), interpolation.__name__]
WITH_EXAMPLES = [*WITH_SOURCES, tensors.__name__]
WITH_SHAPES = [*WITH_EXAMPLES, *modules_of(networks, methods)]


def public_definitions(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and classes that a module defines, and the public methods of these classes."""
    for name, value in vars(module).items():
        defined_here = (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module.__name__
        if name.startswith("_") or not defined_here:
            continue
        yield name, value
        if inspect.isclass(value):
            members = [(key, member) for key, member in vars(value).items() if isinstance(member, FunctionType)]
            yield from ((f"{name}.{key}", member) for key, member in members if not key.startswith("_"))


def takes_tensor(value: Any) -> bool:
    """Return whether a function has an argument that is a tensor."""
    parameters = inspect.signature(value).parameters.values() if inspect.isfunction(value) else ()
    return any(re.match(r"Tensor\b", str(parameter.annotation)) for parameter in parameters)


def tensor_functions(name: str) -> dict[str, str]:
    """Return the docstrings of the public functions and methods of a module that take a tensor."""
    definitions = public_definitions(importlib.import_module(name))
    return {key: inspect.getdoc(value) or "" for key, value in definitions if takes_tensor(value)}


@pytest.mark.parametrize("name", WITH_SHAPES)
def test_every_function_of_tensors_says_their_shapes(name):
    assert [key for key, text in tensor_functions(name).items() if not SHAPE.search(text)] == []


@pytest.mark.parametrize("name", WITH_SOURCES)
def test_losses_and_parts_name_the_paper_they_come_from(name):
    of_module = importlib.import_module(name).__doc__ or ""
    assert [key for key, text in tensor_functions(name).items() if not SOURCE.search(text + of_module)] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_losses_and_parts_show_an_example(name):
    functions = {key: text for key, text in tensor_functions(name).items() if "." not in key}
    assert [key for key, text in functions.items() if "Examples:" not in text] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name):
    torch.manual_seed(0)
    result = doctest.testmod(importlib.import_module(name), extraglobs={"torch": torch})
    assert result.attempted > 0
    assert result.failed == 0, "the differences are in the captured output"
