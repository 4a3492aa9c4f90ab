"""The one training loop and its parts: schedules, optimizers, checkpoints, validation, previews."""
