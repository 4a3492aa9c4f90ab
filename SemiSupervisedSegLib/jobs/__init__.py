"""The contract between the process that requests a job and the one that does it: plain files and a few classes."""
