"""Consensus Monte Carlo: a posterior from those of the shards of its data, and what certifies the combination."""
