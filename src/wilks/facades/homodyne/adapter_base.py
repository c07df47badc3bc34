"""What `NLSQWrapper` and `NLSQAdapter` have in common: one method. Both hand over to `wilks.xpcs.fit`.

What else homodyne keeps in this class are functions here: the modules `data_prep`, `validation` and `result_builder`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["NLSQAdapterBase"]


class NLSQAdapterBase(ABC):
    """Base of the classes that fit; a subclass says how.

    Examples
    --------
    >>> class Doubled(NLSQAdapterBase):
    ...     def fit(self, number):
    ...         return 2 * number
    >>> Doubled().fit(21)
    42
    """

    @abstractmethod
    def fit(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a subclass says
        """Fit data, and return the result."""
