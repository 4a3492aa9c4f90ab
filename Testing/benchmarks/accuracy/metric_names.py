"""The metrics of the tables: what they are called, their units, and their columns in the list of published results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric as tables show it.

    Attributes:
        title: for a heading.
        unit: of the shown values.
        factor: from what metrics.csv holds to the unit.
        published: the column of published.csv that is comparable, empty for none.
        larger_is_better: whether it measures agreement, not distance.
    """

    title: str
    unit: str
    factor: float = 1.0
    published: str = ""
    larger_is_better: bool = False

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}"


METRICS = {
    "dice": Metric("Dice", "%", 100.0, "dice", larger_is_better=True),
    "jaccard": Metric("Jaccard", "%", 100.0, "jaccard", larger_is_better=True),
    "hd95_voxel": Metric("95HD", "voxels", published="hd95"),
    "asd_voxel": Metric("ASD", "voxels"),
    # Publications take their ASD from medpy, which measures from the prediction to the annotation only.
    "asd_one_directional_voxel": Metric("ASD (one-directional)", "voxels", published="asd"),
    "hd95_mm": Metric("95HD", "mm"),
    "asd_mm": Metric("ASD", "mm"),
}
"""By their column in metrics.csv."""
USUAL = ("dice", "jaccard", "hd95_voxel", "asd_one_directional_voxel")
"""What publications report."""
