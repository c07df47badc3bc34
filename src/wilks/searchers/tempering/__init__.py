"""Parallel tempering: replica exchange as an optimiser and as a sampler."""
