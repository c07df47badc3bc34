"""`wilks xpcs`: from the file of a beamline to numbers, pictures and a report."""
