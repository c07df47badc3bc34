"""Profile-likelihood maps: grid, branches, schedule, audit, regions."""
