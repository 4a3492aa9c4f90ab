"""Files of tensors, written in one go and read without ever running what they contain."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...study.errors import UserError


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, from whatever device, as a file that `load_tensors` reads.

    Raises:
        OSError: the file cannot be written, for example because no space is left.
    """
    content = io.BytesIO()
    # Into a file directly, PyTorch would hide why the system refuses to write.
    torch.save({name: value.detach().cpu() for name, value in tensors.items()}, content)
    path.write_bytes(content.getbuffer())


def load_tensors(path: Path | str, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Read a dictionary of tensors, such as a state dict.

    Raises:
        UserError: the file is missing, is not a file of tensors, is damaged, or carries objects that are
            not tensors and could run foreign code.
    """
    path = Path(path)
    advice = "Choose the model folder of a finished round, or train again."
    if not path.is_file():
        raise UserError(f"The model file {path.name} is missing.", advice)
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path.name} is not a model file, or it is incomplete.", advice)
    try:
        with zipfile.ZipFile(path) as archive:
            # PyTorch does not look at the checksums, which find flipped bits among the weights.
            broken = archive.testzip()
        if broken is not None:
            raise ValueError(f"the checksum of {broken} is wrong")
        content = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path.name} contains more than numbers and was not loaded, because it could run foreign program code.",
            "Use only models that this program has written.",
        ) from error
    except (zipfile.BadZipFile, RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
        raise UserError(f"The model file {path.name} is damaged.", advice) from error
    if not isinstance(content, dict) or not all(map(_is_dense, content.values())):
        raise UserError(f"{path.name} is not a model file.", advice)
    return content


def _is_dense(value: object) -> bool:
    # Sparse tensors can be kept in such a file, too, and no network has any.
    return isinstance(value, Tensor) and value.layout is torch.strided
