"""The E-step of one block of rows."""

from __future__ import annotations

import numpy as np

from ._jit import kernel, spliced
from .elementary import exp_nonpositive, log_positive
from .family import accumulate, log_joint, total_scatter

_LARGEST = 1e300


@kernel
def normalize(n, joint, w, top, log_prob):
    """Turn the joint log densities into weight times responsibility, in place.

    Fills ``log_prob`` with the rows' log densities and returns their weighted sum. ``top`` is scratch. A row
    so far away that its density underflows even in logarithms has -1e300 instead of NaN, and if its weight is
    positive the sum is minus infinity, since its moments overflow too.
    """
    n_components = joint.shape[0]
    for i in range(n):
        top[i] = -1e300
    for k in range(n_components):
        joint_k = joint[k]
        for i in range(n):
            top[i] = top[i] if joint_k[i] < top[i] else joint_k[i]
            log_prob[i] = 0.0
    for k in range(n_components):
        joint_k = joint[k]
        for i in range(n):
            joint_k[i] = exp_nonpositive(joint_k[i] - top[i])
            log_prob[i] += joint_k[i]
    log_likelihood = 0.0
    too_far = 0
    for i in range(n):
        total = log_prob[i]
        log_prob[i] = top[i] + log_positive(total)
        top[i] = w[i] / total
        log_likelihood += w[i] * log_prob[i]
        too_far += (log_prob[i] < -1e299) & (w[i] > 0.0)
    if too_far > 0:
        log_likelihood = -np.inf
    for k in range(n_components):
        joint_k = joint[k]
        for i in range(n):
            joint_k[i] *= top[i]
    return log_likelihood


@spliced
def block_statistics(x, n, w, model, scratch, joint, top, log_prob, batch):
    """Add a block's statistics to ``batch`` and return its log-likelihood, minus infinity if they overflow.

    ``w`` (block,) are the row weights; ``joint`` (n_components, block), ``top`` and ``log_prob`` (block,) and
    ``scratch``, at least (n_features + 2) blocks long, are working space.
    """
    log_joint(x, n, model, scratch, joint)
    log_likelihood = normalize(n, joint, w, top, log_prob)
    accumulate(x, n, w, joint, model, scratch, batch)
    return log_likelihood if total_scatter(batch, model) < _LARGEST else -np.inf
