"""Pure values and contracts: parameters, spaces, problems, proposals, results. NumPy only."""
