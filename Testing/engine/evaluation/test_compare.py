from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from SemiSupervisedSegLib.engine.evaluation.compare import compare_paired, summarise


def test_p_values_are_those_of_scipy():
    random = np.random.default_rng(0)
    first = random.normal(0.8, 0.05, 12)
    second = first + random.normal(0.02, 0.03, 12)
    result = compare_paired(first, second)
    assert result.wilcoxon_p == pytest.approx(stats.wilcoxon(first, second).pvalue)
    assert result.t_p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert result.difference == pytest.approx((second - first).mean())
    assert result.low < result.difference < result.high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        result = compare_paired(np.zeros(30), random.normal(0.1, 1.0, 30))
        covered += result.low <= 0.1 <= result.high
    assert 85 <= covered <= 100


def test_the_same_values_do_not_differ():
    result = compare_paired([0.5, 0.7, 0.9], [0.5, 0.7, 0.9])
    assert (result.difference, result.low, result.high) == (0, 0, 0)
    assert (result.wilcoxon_p, result.t_p) == (1, 1)


def test_one_case_proves_nothing():
    result = compare_paired([0.5], [0.75])
    assert result.difference == 0.25
    assert math.isnan(result.wilcoxon_p)
    assert math.isnan(result.t_p)


def test_other_numbers_of_cases_are_refused():
    with pytest.raises(ValueError, match="same cases"):
        compare_paired([1, 2], [1])


def test_summary_uses_the_deviation_of_a_sample():
    summary = summarise([1.0, 2.0, 3.0])
    assert (summary.mean, summary.std, summary.count) == (2, 1, 3)
    assert str(summary) == "2.000 (1.000)"
    assert summarise([4.0]).std == 0
    with pytest.raises(ValueError, match="nothing"):
        summarise([])
