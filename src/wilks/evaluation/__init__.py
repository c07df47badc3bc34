"""Evaluation of proposals: failure policy, chunks, executors."""
