from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.dicom import series_files
from SemiSupervisedSegLib.study.dicom_seg import missing_package, terminology_codes, write_dicom_seg
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Structure

highdicom = pytest.importorskip("highdicom", reason="DICOM SEG is written by highdicom")
pydicom = pytest.importorskip("pydicom")

from .dicom_scan import write_scan  # noqa: E402 - needs pydicom

LIVER = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
    "~SCT^10200004^Liver~^^~Anatomic codes - DICOM master list~^^~^^"
)
STRUCTURES = (Structure("liver", 7, (220, 60, 50), LIVER), Structure("odd thing", 2, (70, 150, 230)))


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A CT series of five oblique slices."""
    image = sitk.GetImageFromArray(np.arange(600, dtype=np.int16).reshape(5, 10, 12))
    image.SetSpacing((0.7, 0.8, 4.0))
    image.SetOrigin((-20.0, 30.0, 5.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix())
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    write_scan(tmp_path / "scan", tmp_path / "image.nrrd")
    return tmp_path / "scan"


def labels_on(image: sitk.Image) -> sitk.Image:
    voxels = np.zeros(image.GetSize()[::-1], np.uint8)
    voxels[1:4, 2:6, 3:9] = 7
    voxels[2, 6:9, 1:4] = 2
    labels = sitk.GetImageFromArray(voxels)
    labels.CopyInformation(image)
    return labels


def slices(folder: Path) -> list[Path]:
    return [Path(file) for file in series_files(folder)]


def voxel_set(path: Path, number: int) -> dict[tuple[float, ...], str]:
    """The patient positions in mm of all voxels of a segment, and which instance each refers to."""
    dataset, found = pydicom.dcmread(path), {}
    shared = dataset.SharedFunctionalGroupsSequence[0]
    rows, columns = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    for frame, groups in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        if groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber != number:
            continue
        origin = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for row, column in np.argwhere(frame):
            place = origin + column * between_columns * rows + row * between_rows * columns
            found[tuple(np.round(place, 2))] = source
    return found


def expected_voxels(labels: sitk.Image, value: int) -> set[tuple[float, ...]]:
    found = np.argwhere(sitk.GetArrayFromImage(labels) == value)
    return {tuple(np.round(labels.TransformIndexToPhysicalPoint([int(i) for i in at[::-1]]), 2)) for at in found}


def test_every_voxel_lies_where_it_was_and_refers_to_its_slice(series, tmp_path):
    labels = labels_on(read_image(series))
    write_dicom_seg(tmp_path / "a.dcm", labels, STRUCTURES, slices(series), automatic=True)
    by_uid = {dataset.SOPInstanceUID: dataset for dataset in map(pydicom.dcmread, slices(series))}
    for number, structure in enumerate(STRUCTURES, 1):
        found = voxel_set(tmp_path / "a.dcm", number)
        assert set(found) == expected_voxels(labels, structure.label)
        for place, uid in found.items():
            source = by_uid[uid]
            rows, columns = np.array(source.ImageOrientationPatient, float).reshape(2, 3)
            offset = np.array(place) - np.array(source.ImagePositionPatient, float)
            assert abs(offset @ np.cross(rows, columns)) < 0.02


def test_a_flipped_and_reordered_grid_of_the_same_voxels_gives_the_same(series, tmp_path):
    labels = labels_on(read_image(series))
    flipped = sitk.Flip(labels, [True, False, True])
    write_dicom_seg(tmp_path / "a.dcm", labels, STRUCTURES, slices(series), automatic=True)
    write_dicom_seg(tmp_path / "b.dcm", flipped, STRUCTURES, slices(series)[::-1], automatic=True)
    assert voxel_set(tmp_path / "a.dcm", 1) == voxel_set(tmp_path / "b.dcm", 1)
    assert len(voxel_set(tmp_path / "a.dcm", 1)) == 72


def test_patient_and_scan_are_those_of_the_source_and_segments_are_described(series, tmp_path):
    write_dicom_seg(tmp_path / "a.dcm", labels_on(read_image(series)), STRUCTURES, slices(series), automatic=False)
    made, source = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(slices(series)[0])
    assert made.SOPClassUID == pydicom.uid.SegmentationStorage
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert getattr(made, name) == getattr(source, name)
    assert made.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    liver, odd = made.SegmentSequence
    assert (liver.SegmentLabel, odd.SegmentLabel) == ("liver", "odd thing")
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert liver.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Anatomical Structure"
    assert odd.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    assert liver.SegmentAlgorithmType == "SEMIAUTOMATIC"
    color = highdicom.color.CIELabColor.from_dicom_value(tuple(liver.RecommendedDisplayCIELabValue))
    assert np.allclose(color.to_rgb(), (220, 60, 50), atol=2)


def test_another_program_finds_every_segment_with_its_name_colour_and_voxels(series, tmp_path):
    labels = labels_on(read_image(series))
    write_dicom_seg(tmp_path / "a.dcm", labels, STRUCTURES, slices(series), automatic=True)
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    assert [read.get_segment_description(number).segment_label for number in read.segment_numbers] == [
        structure.name for structure in STRUCTURES
    ]
    voxels = read.get_volume(combine_segments=True).array
    for number, structure in enumerate(STRUCTURES, 1):
        described = read.get_segment_description(number)
        color = highdicom.color.CIELabColor.from_dicom_value(tuple(described.RecommendedDisplayCIELabValue))
        assert np.allclose(color.to_rgb(), structure.color, atol=2)
        assert (voxels == number).sum() == (sitk.GetArrayFromImage(labels) == structure.label).sum()


def test_a_segmentation_in_which_nothing_was_found_is_written(series, tmp_path):
    write_dicom_seg(tmp_path / "a.dcm", labels_on(read_image(series)) * 0, STRUCTURES, slices(series), automatic=True)
    assert not pydicom.dcmread(tmp_path / "a.dcm").pixel_array.any()


def test_another_grid_and_missing_slices_are_refused(series, tmp_path):
    labels = labels_on(read_image(series))
    with pytest.raises(UserError, match="does not lie on the slices"):
        write_dicom_seg(tmp_path / "a.dcm", labels, STRUCTURES, slices(series)[:2], automatic=True)
    for distance in (500.0, 0.35):
        shifted = sitk.Image(labels)
        shifted.SetOrigin([labels.GetOrigin()[0] + distance, *labels.GetOrigin()[1:]])
        with pytest.raises(UserError, match="does not lie on the slices"):
            write_dicom_seg(tmp_path / "a.dcm", shifted, STRUCTURES, slices(series), automatic=True)
    gone = slices(series)
    gone[2].unlink()
    with pytest.raises(UserError, match="could not be read"):
        write_dicom_seg(tmp_path / "a.dcm", labels, STRUCTURES, gone, automatic=True)
    assert not list(tmp_path.glob("*.dcm"))


@pytest.mark.parametrize("entry", [None, "", "list~SCT^1", "a~^^~^^", "list~SCT^1^~SCT^2^"])
def test_structures_without_usable_terminology_are_tissue(entry):
    assert {code[2] for code in terminology_codes(entry)} == {"Tissue"}


def test_the_reason_without_highdicom(monkeypatch):
    assert missing_package() == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "highdicom" in missing_package()
