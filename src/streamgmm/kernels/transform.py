"""The signature of a transform of the gradient, as compiled code, and how a chain of them is run."""

from __future__ import annotations

from numba import types

from ._jit import at_address, exact_kernel, integer, matrix, real, vector

# (settings, time, n_weights, n_means, n_features, change, memory): changes ``change`` (n_theta,), in place.
# ``memory`` (n_slots, n_theta) is what it remembers; time counts from 1; n_features is the size of the
# triangles in which theta holds covariances, 0 where it holds none.
TRANSFORM = types.void(vector, real, integer, integer, integer, vector, matrix)
transform_at = at_address(TRANSFORM)


@exact_kernel
def run_chain(addresses, settings, ends, time, n_weights, n_means, n_features, change, memory):
    """Run a chain of transforms over ``change``; transform i remembers memory[ends[i] : ends[i + 1]]."""
    for i in range(len(addresses)):
        transform = transform_at(addresses[i])
        slots = memory[ends[i] : ends[i + 1]]
        transform(settings[i], time, n_weights, n_means, n_features, change, slots)
