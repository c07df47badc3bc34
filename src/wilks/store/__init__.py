"""The run file: evaluations and checkpoints in one place, and its exports."""
