"""What is installed of the methods."""

from __future__ import annotations

import importlib.util
from typing import Any

__all__ = ["get_optimization_info"]


def get_optimization_info() -> dict[str, Any]:
    """Say which methods there are, and when to use which.

    Returns
    -------
    dict
        ``status``: name -> is it there; ``primary_method``, ``secondary_method`` (None without the extra ``sample``),
        and ``recommendations``, sentences.

    Examples
    --------
    >>> info = get_optimization_info()
    >>> info["primary_method"], info["status"]["nlsq_available"]
    ('nlsq', True)
    """
    found = {name: importlib.util.find_spec(name) is not None for name in ("jax", "numpyro", "numba", "cmaes")}
    sampling = importlib.util.find_spec("wilks.samplers") is not None and found["jax"] and found["numpyro"]
    advice = ["fit_nlsq_jax fits contrast and offset of every angle exactly, in seconds"]
    if sampling:
        advice.append("a fit is the start of a posterior")
    advice.append("wilks.profile with wilks.xpcs.problem gives intervals that do not rest on a parabola")
    if not found["numba"]:
        advice.append("pip install 'wilks[fast]' for compiled loops")
    return {
        "status": {
            "nlsq_available": True,
            "cmaes_available": found["cmaes"],
            "mcmc_available": sampling,
            "cmc_available": sampling,
            "jax_available": found["jax"],
            "numpyro_available": found["numpyro"],
            "numba_available": found["numba"],
        },
        "primary_method": "nlsq",
        "secondary_method": "cmc" if sampling else None,
        "recommendations": advice,
    }
