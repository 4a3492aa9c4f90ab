"""Make a phantom study: `python -m SemiSupervisedSegLib.phantom FOLDER '{"labeled": 3, "size": [64, 64, 8]}'`."""

from __future__ import annotations

import json
import sys

from .generate import generate_study


def main() -> None:
    """Make the study in the folder and with the arguments of `generate_study` that the command line names."""
    folder, recipe = sys.argv[1:]
    arguments = json.loads(recipe)
    arguments["size"] = tuple(arguments["size"])
    generate_study(folder, **arguments)


if __name__ == "__main__":
    main()
