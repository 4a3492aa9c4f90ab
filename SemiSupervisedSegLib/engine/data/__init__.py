"""From image files to batches: fingerprint, plan, preprocessing, cache, streams and augmentation."""
