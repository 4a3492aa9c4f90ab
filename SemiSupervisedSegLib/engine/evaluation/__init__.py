"""Agreement of predictions with annotations: scores of every case, comparisons of methods, the report of a round."""
