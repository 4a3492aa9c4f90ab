"""The worker process as the panel sees it."""
