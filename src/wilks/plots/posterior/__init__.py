"""Pictures of a posterior: what it says of the parameters, and how well it was sampled.

A module for each picture; they share how parameters are chosen and chains look (`panels`), the densities (`density`)
and what is worked out of parts of the draws (`parts`).
"""
