"""From cached cases to batches: streams, windows, crops, augmentation and stateless randomness."""
