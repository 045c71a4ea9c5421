"""What a rule gives to the loop that learns: two `generic` functions, chosen by the type of its memory."""

from __future__ import annotations

from ._jit import generic


@generic("memory", inline=True)
def update(batch, step, model, memory, scratch, tools, options):
    """Change parameters and memory, in place, given the statistics of a mini-batch; return what became of it.

    Parameters
    ----------
    batch : Batch
        May be overwritten.
    step : float
    model : the parameters, a record of the family's type
    memory : the rule's memory
    scratch : what the rule works in; nothing in it is kept
    tools : the rule's settings, and addresses of functions
    options : Options

    Returns
    -------
    int
        See `kernels.records`. If it is no more than IDLE, nothing was changed.
    """


@generic("memory", inline=True, optional=True)
def control(X, begin, end, weights, batch, model, memory, scratch):
    """Change a mini-batch's statistics before the update; the only place where a rule may look at rows."""
