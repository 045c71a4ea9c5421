"""Directions and retractions of each parameterization, as compiled code: what `kernels.ascent` is given.

A vector theta holds the weights (n_components,), the means' part (n_components * n_features,) and the
covariances' part: for triangular factors a lower triangle, row by row, for each component, or one for all
(`tied`); for diagonal ones a number for each feature of each component, or one a component (`spherical`).

Each file has, for either family, a function that adds a component's direction to ``change``, and one that
turns theta into a mean and a factor and tells whether they are valid. ``s1`` and ``s2`` are the component's
moments about its mean, ``n`` its count of rows; ``rank_one`` says that s2 = s1 s1' / n. With
``precondition`` the direction is that of dmean = s1, dS = s2 - n S, seen from theta; without, the gradient.
Entries off the diagonal of a symmetric matrix count twice in a gradient.
"""
