"""The driver loop, stopping rules, callbacks and progress."""
