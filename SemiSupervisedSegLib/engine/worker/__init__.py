"""The worker process: one job, from the cases of job.json to the files of its round."""
