"""What is decided and prepared before training, without torch: fingerprint, plan, preprocessing, the cache."""
