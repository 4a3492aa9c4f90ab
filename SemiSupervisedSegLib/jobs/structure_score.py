"""The scores of one structure in one case; free of PyTorch, so that they can be read without it."""

from __future__ import annotations

from dataclasses import dataclass

from .results import PredictionKind


@dataclass(frozen=True)
class StructureScore:
    """The scores of one structure in one case.

    Distances follow MONAI: a surface voxel has a background voxel among its 6 neighbours, and the 95th
    percentile is taken in each direction before the larger one counts. medpy has the same surfaces but takes
    the percentile of both directions together, which is never larger.

    Where both masks are empty, Dice and Jaccard are 1 and distances 0. Where one is empty, Dice and Jaccard
    are 0 and every distance is the diagonal of the image, so that predicting nothing never pays.

    Attributes:
        case: Id of the case.
        structure: Name of the structure.
        kind: Final or prototype-based prediction.
        dice: Dice coefficient, 0 to 1.
        jaccard: Jaccard index, 0 to 1.
        hd95_mm: Symmetric 95th percentile of the Hausdorff distance (95HD) in mm.
        hd95_voxel: The same in voxels.
        asd_mm: Mean distance of both surfaces to each other (symmetric) in mm.
        asd_voxel: The same in voxels.
        asd_one_directional_voxel: Mean distance from the predicted surface to the annotated one in voxels, which
            publications that use medpy call ASD.
        volume_ml: Volume of the prediction in ml.
        annotation_volume_ml: Volume of the annotation in ml.
        empty_prediction: Whether the prediction lacks the structure.
        empty_annotation: Whether the annotation lacks the structure.
    """

    case: str
    structure: str
    kind: PredictionKind
    dice: float
    jaccard: float
    hd95_mm: float
    hd95_voxel: float
    asd_mm: float
    asd_voxel: float
    asd_one_directional_voxel: float
    volume_ml: float
    annotation_volume_ml: float
    empty_prediction: bool
    empty_annotation: bool
