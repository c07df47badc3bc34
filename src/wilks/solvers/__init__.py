"""Local solvers and the result of a fit."""
