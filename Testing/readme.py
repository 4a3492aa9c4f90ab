"""Put the table of methods into README.md: `make readme`."""

from __future__ import annotations

import re
from pathlib import Path

from SemiSupervisedSegLib.commands.methods import method_table

README = Path(__file__).resolve().parents[1] / "README.md"
_TABLE = re.compile(
    r"(?<=<!-- begin of the output of semi-supervised-seg methods -->\n\n).*(?=\n\n<!-- end -->)", re.DOTALL
)


def updated(text: str) -> str:
    """Return the text of README.md with the table of methods as it is now; raises ValueError without its place."""
    text, found = _TABLE.subn(lambda _: method_table(), text)
    if found != 1:
        raise ValueError("README.md has no place for the table of methods.")
    return text


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
