"""The families of methods in Docs/development.md: the code of the guide itself, made ready to be trained."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from SemiSupervisedSegLib.engine.methods.method import Method, MethodContext
from SemiSupervisedSegLib.jobs.catalogue import resolve

from ..methods.toys import toy_network

GUIDE = Path(__file__).resolve().parents[3] / "Docs" / "development.md"


def _run_the_guide() -> dict[str, Any]:
    """Run the Python blocks of the guide, with the line numbers of the guide, and return what they define."""
    text, names = GUIDE.read_text(encoding="utf-8"), {"__name__": "families_of_the_guide"}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines_before = text[: block.start(1)].count("\n")
        exec(compile("\n" * lines_before + block.group(1), str(GUIDE), "exec"), names)
    return names


_NAMES = _run_the_guide()
FAMILIES: dict[str, type[Method]] = {
    name: value
    for name, value in _NAMES.items()
    if isinstance(value, type) and issubclass(value, Method) and value.__module__ == "families_of_the_guide"
}
Adversarial, TwoStages = FAMILIES["Adversarial"], FAMILIES["TwoStages"]
CRITIC_OPTIMIZER: dict[str, Any] = _NAMES["CRITIC_OPTIMIZER"]


def build(family: type[Method], **settings: Any) -> Method:
    """Build a method of a family on a toy network for two classes, in train mode."""
    values = resolve("mean_teacher", "standard", settings, 2)
    return family(MethodContext(partial(toy_network, 2, 2), 2, 2, values, ((1,),))).train()
