"""Files in and out: the run file with evaluations and checkpoints, its exports, and configurations."""
