"""The inputs of the fuzzing: what is damaged, and the command that is given it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .fuzz_files import ABSURD_IMAGES, BOMBS, malicious, zip_bomb
from .fuzz_tensors import damage_tensors
from .fuzz_world import World
from .mutations import ABSURD_TEXTS, damage_bytes, damage_json, damage_line


@dataclass(frozen=True)
class Input:
    """What was done to the world, and the arguments of the command to run in it."""

    what: str
    arguments: tuple[object, ...]


Make = Callable[[World, random.Random], Input]
_HEADERS = {"new.raw.gz": "new.nhdr", "new.raw": "new.mhd"}
IMAGES = ("new.nrrd", "new.nhdr", "new.nii", "new.nii.gz", "new.mha", "packed.mha", "new.mhd", *_HEADERS)


def _worker(world: World) -> tuple[object, ...]:
    return "worker", "--job", world.round, "--detached"


def _predict(world: World) -> tuple[object, ...]:
    return "worker", "--job", world.prediction, "--detached"


def _evaluate(world: World) -> tuple[object, ...]:
    return "evaluate", world.study, "--round", "1"


def _show(world: World) -> tuple[object, ...]:
    return "study", "show", world.study


def _add(world: World, image: Path, *more: object) -> tuple[object, ...]:
    return "study", "add", world.study, image, "--role", "labeled" if more else "unlabeled", "--site", "B", *more


def _change_file(path: Path, generator: random.Random, change: Callable) -> str:
    content, what = change(generator, path.read_bytes())
    replace(path, content)
    return f"{path.name}: {what}"


def replace(path: Path, content: bytes) -> None:
    """Write a file again; large ones are links to those that the next input begins with."""
    path.unlink()
    path.write_bytes(content)


def _study_file(world: World, generator: random.Random) -> Input:
    what = _change_file(world.study / "study.json", generator, damage_json)
    commands = (
        _show(world),
        _add(world, world.outside / "new.nrrd"),
        ("study", "change", world.study, "case-003", "--role", "ignored"),
        ("export", world.study, "--output", world.path / "exported"),
        ("train", world.study, "--resume", "1"),
    )
    return Input(what, generator.choice(commands))


def _job_file(world: World, generator: random.Random) -> Input:
    commands = (_worker(world), _worker(world), _predict(world), _evaluate(world))
    command = generator.choice(commands)
    folder = world.prediction if command == commands[2] else world.round
    return Input(f"{folder.name} " + _change_file(folder / "job.json", generator, damage_json), command)


def _records(world: World, generator: random.Random) -> Input:
    name = generator.choice(["status.json", "result.json", "events.jsonl"])
    file = world.round / name
    if name == "result.json":
        file.write_text('{"kind": "train", "cases": []}', encoding="utf-8")
    what = _change_file(file, generator, damage_line if name == "events.jsonl" else damage_json)
    if name == "events.jsonl":
        return Input(what, generator.choice([_worker(world), _evaluate(world)]))
    (world.round / "job.json").touch()
    return Input(what, _evaluate(world) if generator.random() < 0.5 else ("study", "show", world.study))


def _plan(world: World, generator: random.Random) -> Input:
    fresh = generator.random() < 0.5
    if fresh:
        shutil.rmtree(world.round / "checkpoints")
    what = _change_file(world.round / "plan.json", generator, damage_json)
    return Input(what + (", no checkpoint" if fresh else ""), _worker(world))


def _image(world: World, generator: random.Random) -> Input:
    name = generator.choice(IMAGES)
    what = _change_file(world.outside / name, generator, damage_bytes)
    return _use_image(world, generator, world.outside / _HEADERS.get(name, name), what)


def _absurd_image(world: World, generator: random.Random) -> Input:
    name = generator.choice(list(ABSURD_IMAGES))
    path = world.outside / name.split(" ")[0]
    path.unlink(missing_ok=True)
    path.write_bytes(ABSURD_IMAGES[name])
    return _use_image(world, generator, path, f"{name}, {path.stat().st_size} bytes")


def _bomb(world: World, generator: random.Random) -> Input:
    name = generator.choice(list(BOMBS))
    path = world.outside / name.split(" ")[0]
    path.unlink(missing_ok=True)
    path.write_bytes(BOMBS[name]())
    return _use_image(world, generator, path, f"{name}, {path.stat().st_size} bytes")


def _use_image(world: World, generator: random.Random, path: Path, what: str) -> Input:
    """Add an image to the study, predict it, or put it in the place of one that a round trains on."""
    choice = generator.choice(["add", "add", "predict", "train"])
    if choice == "add":
        return Input(what, _add(world, path))
    folder = world.prediction if choice == "predict" else world.round
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    job["cases"][0]["image"] = str(path)
    replace(folder / "job.json", json.dumps(job).encode())
    if choice == "train":
        shutil.rmtree(world.round / "checkpoints")
        (world.round / "plan.json").unlink()
    return Input(what, _predict(world) if choice == "predict" else _worker(world))


def _dicom(world: World, generator: random.Random) -> Input:
    file = world.outside / "dicom" / f"{generator.randrange(4)}.dcm"
    what = _change_file(file, generator, damage_bytes)
    return Input(f"DICOM {what}", _add(world, file.parent))


def _annotation(world: World, generator: random.Random) -> Input:
    choice = generator.choice(["add", "create", "show", "evaluate"])
    own = world.study / "annotations" / "case-002.seg.nrrd"
    file = own if choice in ("show", "evaluate") else world.outside / "new.seg.nrrd"
    what = _change_file(file, generator, damage_bytes)
    commands = {
        "add": _add(world, world.outside / "new.nrrd", "--annotation", file),
        "create": ("study", "create", world.path / "created", "--name", "N", "--modality", "MR", "--site", "A"),
        "show": _show(world),
        "evaluate": _evaluate(world),
    }
    more = ("--structures-from", file) if choice == "create" else ()
    return Input(what, (*commands[choice], *more))


def _tensors(world: World, generator: random.Random) -> Input:
    name = generator.choice(["checkpoints/last.pt", "checkpoints/last.pt", "model.pt", "prototypes.pt"])
    file = world.round / (name if "/" in name else f"model/models/{name}")
    marker = world.outside / "marker"
    choice = generator.random()
    if choice < 0.4:
        what = _change_file(file, generator, damage_bytes)
    elif choice < 0.55:
        replace(file, malicious(generator, file.read_bytes(), marker))
        what = f"{file.name}: carries code"
    elif choice < 0.65:
        replace(file, zip_bomb(file.read_bytes()))
        what = f"{file.name}: a zip bomb of {file.stat().st_size} bytes"
    else:
        what = f"{file.name}: {damage_tensors(generator, file)}"
    if "/" in name:
        return Input(what, _worker(world))
    return Input(what, generator.choice([_predict(world), _evaluate(world)]))


def _model_description(world: World, generator: random.Random) -> Input:
    what = _change_file(world.round / "model" / "configs" / "metadata.json", generator, damage_json)
    return Input(what, generator.choice([_predict(world), _evaluate(world)]))


def _predicted(world: World, generator: random.Random) -> Input:
    folder = world.round / "predictions" / "case-002"
    name = generator.choice(["summary.json", "final.seg.nrrd", "prototype.seg.nrrd", "probability.nrrd"])
    what = _change_file(folder / name, generator, damage_json if name == "summary.json" else damage_bytes)
    export = ("export", world.study, "--round", "1", "--output", world.path / "exported")
    return Input(what, generator.choice([_evaluate(world), _worker(world), export]))


def _prepared(world: World, generator: random.Random) -> Input:
    file = generator.choice(sorted(path for path in (world.study / "cache").rglob("*") if path.is_file()))
    what = _change_file(file, generator, damage_json if file.suffix == ".json" else damage_bytes)
    shutil.rmtree(world.round / "checkpoints")
    return Input(f"cache, {what}", _worker(world))


def _table(world: World, generator: random.Random) -> Input:
    file = world.outside / "table.csv"
    if generator.random() < 0.5:
        what = _change_file(file, generator, damage_bytes)
    else:
        lines = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()]
        row, column = generator.randrange(len(lines)), generator.randrange(len(lines[0]))
        lines[row][column] = generator.choice(ABSURD_TEXTS)
        replace(file, "\n".join(map(",".join, lines)).encode("utf-8", "surrogatepass"))
        what = f"table.csv: {lines[row][column][:40]!r} in line {row}, column {column}"
    return Input(what, ("study", "add", world.study, "--table", file))


def _link(world: World, generator: random.Random) -> Input:
    """Put a link that leads out of the study in the place of something that is written."""
    place, is_folder, command = generator.choice(_LINKED)
    path = world.study / place
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    target = world.outside / ("folder" if is_folder else "keep.txt")
    if is_folder and place.endswith("predictions"):
        (target / "case-001").mkdir()
        (target / "case-001" / "keep.txt").write_text("nor this", encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    if place.startswith("images"):
        os.mkfifo(path)
        return Input(f"{place} is a pipe", command(world))
    path.symlink_to(target)
    return Input(f"{place} is a link to {target.name} outside", command(world))


def _change(world: World) -> tuple[object, ...]:
    return "study", "change", world.study, "case-003", "--role", "ignored"


_ROUND = "rounds/001-supervised"
_LINKED: tuple[tuple[str, bool, Callable], ...] = (
    *((f"{_ROUND}/{name}", True, _worker) for name in ("checkpoints", "model", "predictions", "predictions/case-001")),
    *((f"{_ROUND}/{name}", False, _worker) for name in ("events.jsonl", "status.json", "result.json", "worker.lock")),
    *((f"{_ROUND}/{name}", False, _evaluate) for name in ("metrics.csv", "report.html")),
    ("cache", True, _worker),
    ("images/case-001.nrrd", False, _show),
    ("images/case-002.nrrd", False, _evaluate),
    ("study.lock", False, _change),
    ("study.json", False, _change),
)

KINDS: dict[str, tuple[int, Make]] = {
    "study.json": (60, _study_file),
    "job.json": (60, _job_file),
    "status, result, events": (35, _records),
    "plan.json": (30, _plan),
    "image": (70, _image),
    "absurd sizes": (30, _absurd_image),
    "zip bomb": (20, _bomb),
    "DICOM": (20, _dicom),
    "annotation": (40, _annotation),
    "checkpoint, weights": (55, _tensors),
    "model description": (15, _model_description),
    "prediction": (15, _predicted),
    "prepared image": (10, _prepared),
    "table": (20, _table),
    "link out of the study": (20, _link),
}
"""Inputs of each kind among 500, and how one is made."""
