"""The section Export: files of results, and a trained model applied to further images."""
