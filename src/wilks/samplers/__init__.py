"""Samplers: algorithms that draw from a posterior, and what certifies their draws."""
