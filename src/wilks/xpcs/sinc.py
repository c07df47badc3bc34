"""The powers of the unnormalised sinc, sin(x) / x, to rounding at every x: the quotient loses nothing but at 0.

The kernels of the passes have factors of their own for it and for its derivative (`wilks.xpcs.kernel_blocks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def sinc(x: ArrayLike) -> NDArray[np.float64]:
    """Return sin(x) / x, which is 1 at 0.

    Examples
    --------
    >>> import numpy as np
    >>> sinc([0.0, np.pi / 2]).round(4)
    array([1.    , 0.6366])
    """
    x = np.asarray(x, dtype=float)
    ratio = np.ones_like(x)
    with np.errstate(invalid="ignore"):
        np.divide(np.sin(x), x, out=ratio, where=x != 0)
    return ratio


def sinc_power(x: ArrayLike, power: int) -> NDArray[np.float64]:
    """Return the second or the fourth power of the sinc; NaN where x is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> sinc_power([0.0, np.pi / 2], 2).round(4)
    array([1.    , 0.4053])
    """
    square = np.square(sinc(x))
    return square if power == 2 else np.square(square)
