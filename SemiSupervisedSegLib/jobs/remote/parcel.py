"""What a job needs on another machine: voxels, labels and geometry under pseudonyms, and nothing else of its files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import SimpleITK as sitk

from ...study.annotations import read_annotation
from ...study.errors import UserError
from ...study.files import TEMPORARY_PREFIX
from ...study.images import read_image
from ...study.model import Structure
from ..continuation import earlier_round, no_checkpoint
from ..folder import JobFolder
from ..model_folder import METADATA, OWN_SECTION
from ..round_key import KEY_FILE, PLAN_FILE, round_key
from ..spec import JobCase, JobSpec
from .far_end import CHECKPOINT, MANIFEST
from .pseudonyms import Pseudonyms

# MetaImage: the only one of the formats that keeps spacing, position and axes to the last bit.
_SUFFIX = ".mha"
_EARLIER = "earlier"
_APPLIED = "model"
_OWNER_ONLY = 0o600


def write_parcel(
    folders: Sequence[JobFolder],
    names: Pseudonyms,
    present: Mapping[str, str],
    output: IO[bytes],
    on_progress: Callable[[int, int], None],
) -> None:
    """Write everything that some jobs need, as a tar that ends with a list of hashes.

    Args:
        folders: Folders of the rounds, which have the same structures and model.
        names: Pseudonyms of the jobs.
        present: Hashes of the files that are there already, which are left out.
        output: Stream of the tar.
        on_progress: Function that is called with the number of cases done and their total, and may raise.

    Raises:
        UserError: A file cannot be read or is no image, or the job needs what cannot be sent.
        OSError: The stream takes no more.
    """
    specs = {folder.name: folder.spec() for folder in folders}
    cases, first = _cases_of(specs.values()), next(iter(specs.values()))
    manifest: dict[str, str] = {}
    temporary = tempfile.TemporaryDirectory(dir=folders[0].path, prefix=TEMPORARY_PREFIX)
    with temporary as home, tarfile.open(fileobj=output, mode="w|") as archive:

        def add(name: str, content: bytes) -> None:
            manifest[name] = hashlib.sha256(content).hexdigest()
            if present.get(name) != manifest[name]:
                _add(archive, name, content)

        for done, case in enumerate(cases, start=1):
            for name, content in _case_files(case, names.case(case.id), first.structures, Path(home)):
                add(name, content)
            on_progress(done, len(cases))
        for name, content in (*_model_files(first, names), *_checkpoint_files(first, names)):
            add(name, content)
        for folder in folders:
            add(f"rounds/{folder.name}/{folder.spec_file.name}", job_there(specs[folder.name], names).encode())
        _add(archive, MANIFEST, json.dumps(manifest).encode())


def check_can_travel(spec: JobSpec) -> None:
    """Raise UserError for a job that needs what is not on this computer."""
    if spec.continues and not earlier_round(spec).last_checkpoint.is_file():
        raise no_checkpoint(earlier_round(spec))


def _cases_of(specs: Iterable[JobSpec]) -> list[JobCase]:
    """Return each case once, as a job has it that needs the annotation if there is one."""
    cases: dict[str, JobCase] = {}
    for spec in specs:
        for case in spec.cases:
            if case.id not in cases or _is_annotation_needed(case):
                cases[case.id] = case
    return list(cases.values())


def _is_annotation_needed(case: JobCase) -> bool:
    return case.annotation is not None and case.role.needs_annotation


def _case_files(case: JobCase, name: str, structures: tuple[Structure, ...], home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield image and annotation of a case; one that is trained without labels has none that may be read."""
    try:
        image = read_image(case.image)
        yield f"images/{name}{_SUFFIX}", _encoded(image, home)
        if case.annotation is not None and _is_annotation_needed(case):
            classes = read_annotation(case.annotation, structures, image, case.structures)
            lookup = np.array([0, *(structure.label for structure in structures)], dtype=np.uint8)
            labels = sitk.GetImageFromArray(lookup[sitk.GetArrayViewFromImage(classes)])
            labels.CopyInformation(classes)
            yield f"annotations/{name}{_SUFFIX}", _encoded(labels, home)
    except UserError as error:
        raise UserError(f"Case {case.id}: {error.message}", error.advice) from error


def _encoded(image: sitk.Image, home: Path) -> bytes:
    # A new image has no metadata of the file that it was read from.
    bare = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(image))
    bare.CopyInformation(image)
    path = home / f"image{_SUFFIX}"
    try:
        sitk.WriteImage(bare, str(path), useCompression=True)
    except RuntimeError as error:
        raise UserError(f"There is no space to prepare an image in {home.parent}.", "Free some disk space.") from error
    return path.read_bytes()


def _model_files(spec: JobSpec, names: Pseudonyms) -> Iterator[tuple[str, bytes]]:
    """Yield the model that a job starts from or applies, without the name of the study that it was trained on."""
    source = spec.warm_start or spec.model
    if source is None:
        return
    model = Path(source)
    place = f"{_EARLIER}/{model.name if spec.model is None else _APPLIED}"
    metadata = json.loads((model / METADATA).read_text(encoding="utf-8"))
    metadata[OWN_SECTION]["training"]["study"] = names.hide(spec).study_name
    yield f"{place}/{METADATA}", json.dumps(metadata, indent=2, ensure_ascii=False).encode()
    for path in sorted((model / "models").glob("*.pt")):
        yield f"{place}/models/{path.name}", path.read_bytes()


def _checkpoint_files(spec: JobSpec, names: Pseudonyms) -> Iterator[tuple[str, bytes]]:
    """Yield the round that a training continues, with the same cases, as far as it is needed for that."""
    if not spec.continues:
        return
    earlier = earlier_round(spec)
    job = replace(earlier.spec(), warm_start=None, continues=False)
    contents = {
        earlier.spec_file.name: job_there(job, names).encode(),
        PLAN_FILE: (earlier.path / PLAN_FILE).read_bytes(),
        CHECKPOINT: earlier.last_checkpoint.read_bytes(),
        # Its job has other names there.
        f"{earlier.checkpoints.name}/{KEY_FILE}": round_key(earlier).encode(),
    }
    for name, content in contents.items():
        yield f"{_EARLIER}/{name}", content


def job_there(spec: JobSpec, names: Pseudonyms) -> str:
    """Return job.json of the job there, whose paths lead from the folder of the round."""
    hidden = names.hide(spec)
    cases = (
        replace(
            case,
            image=f"../../images/{case.id}{_SUFFIX}",
            annotation=f"../../annotations/{case.id}{_SUFFIX}" if _is_annotation_needed(case) else None,
        )
        for case in hidden.cases
    )
    warm_start = None if spec.warm_start is None else f"../../{_EARLIER}/{Path(spec.warm_start).name}"
    # The folder of a model that is applied may have the name of anything.
    model = None if spec.model is None else f"../../{_EARLIER}/{_APPLIED}"
    return replace(hidden, cases=tuple(cases), warm_start=warm_start, model=model).to_json()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), _OWNER_ONLY
    archive.addfile(entry, io.BytesIO(content))
