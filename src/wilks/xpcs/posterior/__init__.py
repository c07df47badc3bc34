"""The posterior of an XPCS measurement: contrast, offset and noise integrated out, exact."""
