"""Lower triangular matrices with a positive diagonal, in stacks (..., n, n)."""

from __future__ import annotations

import numpy as np

from .._base import Array


def cholesky(matrix: Array, what: str) -> Array:
    """Return the lower Cholesky factor; ValueError if not symmetric positive definite."""
    sizes = np.sqrt(np.abs(np.diag(matrix)))
    if not np.allclose(matrix, matrix.T, rtol=1e-7, atol=1e-7 * np.outer(sizes, sizes)):
        raise ValueError(f"{what} must be symmetric, got {matrix.tolist()}")
    try:
        return np.array(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"{what} must be positive definite, got smallest eigenvalue {np.linalg.eigvalsh(matrix)[0]:.3g}"
        ) from None


def lower_root(root: Array) -> Array:
    """Return the Cholesky factors of root root', for roots (..., n, n or more) that need not be square."""
    factor = np.swapaxes(np.linalg.qr(np.swapaxes(root, -1, -2), mode="r"), -1, -2)
    signs = np.where(np.diagonal(factor, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return np.array(factor * signs[..., np.newaxis, :])


def solve_lower(root: Array, right: Array) -> Array:
    """Return root^-1 right (..., n, m), exactly triangular where right is.

    Turned round, the matrix is upper triangular and its own LU factorization: no pivot is exchanged.
    """
    return np.asarray(np.linalg.solve(root[..., ::-1, ::-1], right[..., ::-1, :])[..., ::-1, :])


def inverse_transposed(root: Array) -> Array:
    """Return the inverse of root', upper triangular for lower roots."""
    return np.ascontiguousarray(np.swapaxes(solve_lower(root, np.eye(root.shape[-1])), -1, -2))


def split(factor: Array) -> Array:
    """Return the kernels' form of Cholesky factors (n, n_features, n_features), see `density`."""
    diagonal = np.diagonal(factor, axis1=1, axis2=2)
    scale = np.array(factor / diagonal[:, np.newaxis, :], dtype=np.float64)
    index = np.arange(factor.shape[1])
    scale[:, index, index] = 1.0 / np.square(diagonal)
    return scale


def join(scale: Array) -> Array:
    """Return the Cholesky factors that `split` takes apart."""
    index = np.arange(scale.shape[1])
    root = 1.0 / np.sqrt(scale[:, index, index])
    factor = np.tril(scale, -1) * root[:, np.newaxis, :]
    factor[:, index, index] = root
    return factor
