"""Branch-free exponential and logarithm that the compiler can vectorize.

``np.exp`` inside numba is one scalar call per element. These two are polynomials (Cody and Waite reduction;
fdlibm's minimax coefficients for the logarithm) with a relative error of about 2e-16.
"""

from __future__ import annotations

import numpy as np

from ._jit import inlined

_MAGIC = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the rounded integer in the low bits
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_TWO_52 = 4503599627370496.0


@inlined
def exp_nonpositive(x: float) -> float:
    """Return exp(x) for x <= 0; below -708 it is exp(-708), about 3e-308; NaN stays NaN."""
    x = -708.0 if x < -708.0 else x
    shifted = x * _LOG2_E + _MAGIC
    n = shifted - _MAGIC
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    exponent = (np.float64(shifted).view(np.int64) + np.int64(1023)) << np.int64(52)
    return p * np.int64(exponent).view(np.float64)


@inlined
def log_positive(x: float) -> float:
    """Return log(x) for a positive, normal, finite x; NaN stays NaN."""
    bits = np.float64(x).view(np.int64)
    # the exponent of x / sqrt(1/2), so that the mantissa lies in [sqrt(1/2), sqrt(2))
    shifted = bits - np.int64(0x3FE6A09E667F3BCD)
    biased = (shifted >> np.int64(52)) + np.int64(2048)
    e = np.int64(biased | np.int64(0x4330000000000000)).view(np.float64) - (_TWO_52 + 2048.0)
    mantissa = np.int64((shifted & np.int64(0x000FFFFFFFFFFFFF)) + np.int64(0x3FE6A09E667F3BCD)).view(
        np.float64
    )
    f = mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = 1.479819860511658591e-01
    r = r * z + 1.531383769920937332e-01
    r = r * z + 1.818357216161805012e-01
    r = r * z + 2.222219843214978396e-01
    r = r * z + 2.857142874366239149e-01
    r = r * z + 3.999999999940941908e-01
    r = r * z + 6.666666666666735130e-01
    r = r * z
    half = 0.5 * f * f
    value = e * _LN2_HIGH - ((half - (s * (half + r) + e * _LN2_LOW)) - f)
    return value if x == x else x
