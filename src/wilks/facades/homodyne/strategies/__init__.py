"""Chunks of data in which every angle is present, residuals of them, and solvers for residuals of the user's own."""
