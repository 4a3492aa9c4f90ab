"""Whether a machine has the very program of this computer."""

from __future__ import annotations

from ..versions import installed_versions, package_digest
from .connection import Connection
from .failures import incomplete, other_version


def check_version(connection: Connection) -> None:
    """Raise UserError when a machine does not have the very program of this computer, which might compute otherwise."""
    there, here = connection.call("hello", connection.machine.place()), installed_versions()["semi-supervised-seg"]
    if (there["version"], there["digest"]) != (here, package_digest()):
        raise other_version(connection.machine, str(there["version"]), here)
    if there["missing"]:
        raise incomplete(connection.machine, there["missing"])
