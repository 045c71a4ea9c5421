"""What a family of covariances gives to the kernels: the contract, one `generic` function for each ability.

A family has a record of its own for the parameters, with the fields ``offset`` (n_components,), the constants
of the log joint densities, ``means`` (n_components, n_features) and ``scale`` (n_components, n_features,
n_scales), its form of the covariances. The record's type chooses the functions. A rule that needs more
of a family declares more functions of this kind (`kernels.rule` and the rules' own files).
"""

from __future__ import annotations

from ._jit import generic

FAR = 1e150  # from a mean: the squares of rows further away would overflow


@generic("model")
def log_joint(x, n, model, scratch, out):
    """Write log(weight_k N(x_i; mean_k, S_k)) of a block of rows.

    Parameters
    ----------
    x : (n_features, block), the rows, transposed
    n : number of rows
    model : the parameters
    scratch : (at least (n_features + 2) * block,)
    out : (n_components, block)  # OUT
    """


@generic("model", fast=True)
def accumulate(x, n, w, resp, model, scratch, batch):
    """Add a block's moments about the means to ``batch``; ``resp`` is row weight times responsibility.

    Parameters
    ----------
    x : (n_features, block), the rows, transposed
    n : number of rows
    w : (block,), row weights
    resp : (n_components, block)
    model : the parameters
    scratch : (at least (n_features + 2) * block,)
    batch : Batch  # OUT nk, s1, s2
    """


@generic("model", inline=True)
def row_statistics(x, w, model, z, batch):
    """Write the statistics of one row x (n_features,) of weight w to ``batch``; return its log-likelihood.

    That is minus infinity for a row that is further than `FAR` from a mean, or so far that its density
    underflows even in logarithms. ``z`` (n_features,) is scratch. A single row has a function of its own,
    since for it the start of a SIMD loop would cost more than the row.
    """


@generic("model", inline=True)
def write_offset(k, weight, model):
    """Write log weight - (log det S + n_features log(2 pi)) / 2 to model.offset[k]."""


@generic("model", inline=True)
def total_scatter(batch, model):
    """Return the sum of the moments' diagonals: finite if all moments are."""


@generic("model", inline=True)
def refit(share, batch, model, memory, scratch, options):
    """Blend moments into the running ones, and refit the components that had rows to those: EM's M-step.

    With c = share / (running weight), h = c nk the share of the mini-batch in a component, m = s1 / nk and
    C = s2 / nk about the old mean: mean' = mean + h m,  S' = (1 - h) S + h C - h^2 m m' (stepwise EM; Cappe
    and Moulines, 2009). A step of 1 is the M-step of EM.
    """


@generic("model")
def refit_jointly(share, batch, model, memory, scratch, options):
    """Do the same with `JointOptions`: refit all components, whether they had rows or not.

    With a prior, the parameters are the posterior mode given the running moments, counted as
    ``memory.counters.window`` rows.
    """


@generic("model")
def regularize(k, share, debt, batch, model, options):
    """Add floor and prior to component k's moments, as pseudo-rows; return how many count for its covariance.

    ``share`` of the prior, and the floor for ``debt`` rows.
    """


@generic("model", inline=True)
def is_rank_one(batch, model):
    """Tell whether updates may take s2 for s1 s1' / nk: all rows coincide, and that spares work."""


@generic("model")
def is_near(k, with_factor, model, means, scale, scratch, j):
    """Tell whether a mixture on trial lies within one standard deviation of component k.

    No entry of L^-1 (new mean - mean) is above one, and no standard deviation of a feature, whether alone or
    given the features before it, changes more than e-fold.
    """


@generic("model", inline=True)
def is_definite(k, count, s1, s2, model, scratch):
    """Tell whether s1[k] and s2[k] can be moments of ``count`` rows: whether their covariance is definite."""


@generic("model", inline=True)
def recenter(k, n, origin, s1, s2, model):
    """Move s1[k] and s2[k], the moments of n rows about origin[k], to be about component k's mean."""
