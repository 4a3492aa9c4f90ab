"""Statistics over cases, and tests of whether two methods differ on the same cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

BOOTSTRAP_SAMPLES = 2000
INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (n - 1) and number of values; the deviation of one value is 0."""

    mean: float
    std: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.std:.3f})"


@dataclass(frozen=True)
class Comparison:
    """A metric of two methods on the same cases.

    The p-values measure chance among these cases; they do not include the variance between trainings.

    Attributes:
        first: Summary of the first method.
        second: Summary of the second method.
        difference: Mean of second minus first.
        low: Lower end of the 95 % bootstrap interval (percentile) of the difference.
        high: Upper end of that interval.
        wilcoxon_p: P-value of the paired two-sided Wilcoxon signed-rank test; NaN for fewer than two cases.
        t_p: P-value of the paired two-sided t-test; NaN for fewer than two cases.
    """

    first: Summary
    second: Summary
    difference: float
    low: float
    high: float
    wilcoxon_p: float
    t_p: float


def summarise(values: Sequence[float]) -> Summary:
    """Summarise the values of a metric over cases.

    Raises:
        ValueError: There are none.
    """
    if not len(values):
        raise ValueError("There is nothing to summarise.")
    array = np.asarray(values, dtype=np.float64)
    return Summary(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0, len(array))


def mean_interval(values: Sequence[float], low: float, high: float) -> tuple[float, float] | None:
    """Return the 95 % t interval of the mean over cases, None for fewer than two cases.

    With few cases it is wider, and truer, than a bootstrap interval.

    Args:
        values: Values of a metric (N,), one for each case.
        low: Smallest value that the metric can take, where the interval ends.
        high: Largest value of the metric.
    """
    summary = summarise(values)
    if summary.count < 2:
        return None
    half = float(stats.t.ppf(INTERVAL[1] / 100, summary.count - 1)) * summary.std / np.sqrt(summary.count)
    return max(low, summary.mean - half), min(high, summary.mean + half)


def compare_paired(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compare the values of two methods, case by case in the same order.

    Raises:
        ValueError: The numbers of cases differ or are zero.
    """
    if len(first) != len(second):
        raise ValueError("A paired comparison needs the same cases for both methods.")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    wilcoxon_p, t_p = _p_values(differences)
    low, high = _bootstrap(differences)
    return Comparison(summarise(first), summarise(second), float(differences.mean()), low, high, wilcoxon_p, t_p)


def _p_values(differences: np.ndarray) -> tuple[float, float]:
    if len(differences) < 2:
        return float("nan"), float("nan")
    if np.ptp(differences) == 0:
        # Without any spread the t statistic is 0 / 0 or infinite.
        t_p = 1.0 if differences[0] == 0 else 0.0
    else:
        t_p = float(stats.ttest_1samp(differences, 0.0).pvalue)
    wilcoxon_p = 1.0 if not differences.any() else float(stats.wilcoxon(differences).pvalue)
    return wilcoxon_p, t_p


def _bootstrap(differences: np.ndarray) -> tuple[float, float]:
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    samples = np.random.default_rng(0).choice(differences, (BOOTSTRAP_SAMPLES, len(differences)))
    low, high = np.percentile(samples.mean(axis=1), INTERVAL)
    return float(low), float(high)
