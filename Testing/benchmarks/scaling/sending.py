"""What it costs to send cases to another machine, and to keep where a job is, in bytes and seconds."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.remote.parcel import write_parcel
from SemiSupervisedSegLib.jobs.remote.pseudonyms import Pseudonyms, new_token
from SemiSupervisedSegLib.jobs.remote.record import keep_record, new_record
from SemiSupervisedSegLib.jobs.spec import JobCase, JobSpec
from SemiSupervisedSegLib.study.model import Modality, Role, Structure

from ..machine import describe_machine


def noisy_image(shape: tuple[int, int, int], seed: int) -> sitk.Image:
    """Return an image of 16 bits a voxel (slices, rows, columns), as smooth and as noisy as a scan."""
    generator = np.random.default_rng(seed)
    coarse = generator.normal(size=[max(1, size // 16) for size in shape]) * 300
    large = np.kron(coarse, np.ones([16, 16, 16]))
    pads = [(0, max(0, size - have)) for size, have in zip(shape, large.shape, strict=True)]
    smooth = np.pad(large, pads, mode="edge")[tuple(slice(size) for size in shape)]
    return sitk.GetImageFromArray((smooth + generator.normal(size=shape) * 20).astype(np.int16))


def make_job(folder: Path, images: list[Path], cases: int) -> JobFolder:
    """Make a job of so many cases, which share some image files."""
    paths = (str(images[number % len(images)]) for number in range(cases))
    listed = tuple(
        JobCase(f"case-{number:05d}", path, "site", Role.UNLABELED, external=False) for number, path in enumerate(paths)
    )
    structures = (Structure("organ", 1, (255, 0, 0)),)
    spec = JobSpec("train", "supervised", "quick", {}, "cpu", 0, "study", Modality.MR, structures, listed)
    job = JobFolder(folder)
    job.write_spec(spec)
    return job


class Sink:
    """A stream that counts what is written to it."""

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        return None


def measure_parcel(home: Path, shape: tuple[int, int, int], count: int) -> None:
    """Print bytes and seconds of a parcel of so many cases of a shape."""
    images = [home / f"image-{number}.nrrd" for number in range(count)]
    for number, path in enumerate(images):
        sitk.WriteImage(noisy_image(shape, number), str(path), useCompression=True)
    job, sink = make_job(home / "sent", images, count), Sink()
    began = time.process_time()
    write_parcel([job], Pseudonyms.of(job.spec(), new_token()), {}, sink, lambda done, total: None)  # type: ignore[arg-type]
    seconds = (time.process_time() - began) / count
    raw = 2 * np.prod(shape) / 1e6
    print(f"a case of {'x'.join(map(str, shape[::-1]))} voxels of 16 bits ({raw:.1f} MB): ", end="")
    print(f"{sink.bytes / count / 1e6:.1f} MB sent, {seconds:.2f} s of processor time to read, compress and hash it")
    content = images[0].read_bytes()
    began = time.process_time()
    hashlib.sha256(content).hexdigest()
    print(f"  hashing alone: {len(content) / 1e6 / max(1e-9, time.process_time() - began):.0f} MB/s")


def measure_records(home: Path, cases: int) -> None:
    """Print size and time of what a job of so many cases keeps."""
    job = make_job(home / "rounds" / "kept", [home / "none.nrrd"], cases)
    print(f"job.json of {cases} cases: {job.spec_file.stat().st_size / 1e6:.2f} MB, ", end="")
    began = time.perf_counter()
    job.spec()
    print(f"read in {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    record = new_record(job, "box")
    print(f"remote.json made in {time.perf_counter() - began:.2f} s: ", end="")
    print(f"{(job.path / 'remote.json').stat().st_size / 1e6:.2f} MB, ", end="")
    began = time.perf_counter()
    for offset in range(20):
        keep_record(job, record, offset=offset)
    print(f"{(time.perf_counter() - began) / 20 * 1000:.1f} ms to keep the offset of an event")


def main() -> None:
    """Print the costs of sending."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small images, few cases")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        shapes = [(4, 32, 32)] if options.tiny else [(4, 32, 32), (64, 256, 256), (100, 512, 512)]
        for number, shape in enumerate(shapes):
            home = Path(name) / str(number)
            home.mkdir()
            measure_parcel(home, shape, 2 if options.tiny else 4)
        measure_records(Path(name), 100 if options.tiny else 10_000)


if __name__ == "__main__":
    main()
