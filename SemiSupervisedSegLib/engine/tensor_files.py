"""PyTorch files: written with the system's error messages, read without running any code in them."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..study.errors import UserError

_ADVICE = "Choose the model folder of a finished round, or train again."
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    MemoryError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


class CarriesCode(Exception):  # noqa: N818 - what a file is, not an error of the program
    """A file holds objects that could run foreign program code."""


class Damaged(Exception):  # noqa: N818 - what a file is, not an error of the program
    """A file is not one of PyTorch's, is incomplete, or has a wrong checksum."""


def write_content(path: Path, content: Mapping[str, Any]) -> None:
    """Write a dictionary of tensors and plain values.

    Raises:
        OSError: The file cannot be written, for example because no space is left.
    """
    buffer = io.BytesIO()
    # Into a file directly, PyTorch would call a full disk a RuntimeError.
    torch.save(dict(content), buffer)
    path.write_bytes(buffer.getbuffer())


def read_content(path: Path, device: torch.device | str) -> Any:
    """Read what `write_content` has written.

    Args:
        path: File to read.
        device: Device of the tensors.

    Raises:
        CarriesCode: The file holds more than tensors and plain values.
        Damaged: The file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # PyTorch does not check these sums, which find flipped bits among the weights.
            broken = archive.testzip()
        if broken is not None:
            raise Damaged(f"the checksum of {broken} is wrong")
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CarriesCode(str(error)) from error
    except _DAMAGED as error:
        raise Damaged(str(error)) from error


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, from whatever device, as a file that `load_tensors` reads; raises OSError as `write_content`."""
    write_content(path, {name: value.detach().cpu() for name, value in tensors.items()})


def load_tensors(path: Path | str, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Read a dictionary of tensors, such as a state dict.

    Raises:
        UserError: The file is missing, is not a file of tensors, is damaged, or carries program code.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"The model file {path.name} is missing.", _ADVICE)
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path.name} is not a model file, or it is incomplete.", _ADVICE)
    try:
        content = read_content(path, device)
    except CarriesCode as error:
        raise UserError(
            f"{path.name} contains more than numbers and was not loaded, because it could run foreign program code.",
            "Use only models that this program has written.",
        ) from error
    except Damaged as error:
        raise UserError(f"The model file {path.name} is damaged.", _ADVICE) from error
    if not isinstance(content, dict) or not all(map(_is_dense, content.values())):
        raise UserError(f"{path.name} is not a model file.", _ADVICE)
    return content


def _is_dense(value: object) -> bool:
    # Such a file can hold sparse tensors, too, and no network has any.
    return isinstance(value, Tensor) and value.layout is torch.strided
