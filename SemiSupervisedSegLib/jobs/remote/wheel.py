"""This program as a package that pip installs on another machine, wherever it lies here."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

from ... import __version__
from ..versions import package_files

REQUIREMENTS = (
    "monai>=1.5",
    "numpy",
    "pydicom>=2.4",
    "scipy",
    "SimpleITK>=2.4",
    "submitit>=1.5",
    "torch>=2.6,!=2.9.*,<2.14",
)
"""What pyproject.toml requires; an extension of Slicer comes without that file."""
PYTHON = ">=3.11,<3.14"
_PACKAGE = __package__.split(".", maxsplit=1)[0]
_NAME = "semi_supervised_seg"
_WHEEL = "Wheel-Version: 1.0\nGenerator: SemiSupervisedSeg\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# The same program gives the same file.
_DATE = (1980, 1, 1, 0, 0, 0)


def wheel_name() -> str:
    """Return the name that pip wants the package to have."""
    return f"{_NAME}-{__version__}-py3-none-any.whl"


def make_wheel() -> bytes:
    """Return the package, without the panel, which needs Slicer."""
    root, info = Path(__file__).resolve().parents[2], f"{_NAME}-{__version__}.dist-info"
    required = "".join(f"Requires-Dist: {requirement}\n" for requirement in REQUIREMENTS)
    metadata = f"Metadata-Version: 2.1\nName: semi-supervised-seg\nVersion: {__version__}\nRequires-Python: {PYTHON}\n"
    files = {f"{_PACKAGE}/{name}": (root / name).read_bytes() for name in package_files(root)}
    files |= {f"{info}/METADATA": (metadata + required).encode(), f"{info}/WHEEL": _WHEEL.encode()}
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
