"""Bets that rows are not exchangeable, as compiled code: ranks of integer codes, and what was won on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._jit import exact_kernel, inlined, kernel, loop
from .elementary import log_positive

BLOCK = 32  # rows for which bets are placed at once
RECENT = 512  # blocks whose counts are kept
# Cells of [0, 1]: small ones where the rarest codes are, then sixteenths. A coarse grid joins some of them.
EDGES = np.array([0.0, 1 / 1024, 1 / 256, 1 / 64, *(np.arange(1, 17) / 16)])
_COARSE = [EDGES, *(np.array([0.0, 1 / 256, 1 / 64, *(np.arange(1, n + 1) / n)]) for n in (8, 4))]


class Tools(NamedTuple):
    """Who the bettors are: one for each memory and grid.

    Attributes
    ----------
    memories : (n_memories,)
        After so many rows a bettor has forgotten all but 1/e of a row.
    grids : ndarray of int, of shape (n_grids, n_cells)
        Which cell of the coarser grid each cell is in.
    widths : (n_grids, n_cells)
        The width of that.
    prior : float
        How many rows speak for a uniform density.
    """

    memories: Any
    grids: Any
    widths: Any
    prior: Any


def _tools() -> Tools:
    grids = np.array([np.searchsorted(edges, EDGES[:-1], side="right") - 1 for edges in _COARSE])
    widths = np.array([np.diff(edges)[grid] for edges, grid in zip(_COARSE, grids, strict=True)])
    return Tools(np.array([300.0, 1500.0]), grids, widths, 80.0)


TOOLS = _tools()


class Bets(NamedTuple):
    """What a test on sequences of codes remembers; changed in place.

    Attributes
    ----------
    counts : ndarray of int, of shape (n_sequences, n_codes)
        How often each code has come since the mixture was frozen.
    block : ndarray of int, of shape (n_sequences, n_cells)
        How many ranks of the block that is not complete lie in each cell.
    memory : (n_sequences, n_memories, n_cells)
        The same of all blocks before, where old ones count less.
    log_stakes : (n_sequences, n_memories, n_grids)
        The log wealth of those who have begun to bet.
    recent : ndarray of uint8, of shape (n_sequences, RECENT, n_cells)
        The last complete blocks; that with number b is in place b modulo `RECENT`.
    """

    counts: Any
    block: Any
    memory: Any
    log_stakes: Any
    recent: Any


def empty_bets(n_sequences: int) -> Bets:
    """Return what is remembered before the first row; there are no codes yet."""
    n_memories, (n_grids, n_cells) = len(TOOLS.memories), TOOLS.grids.shape
    return Bets(
        np.zeros((n_sequences, 0), dtype=np.int64),
        np.zeros((n_sequences, n_cells), dtype=np.int64),
        np.zeros((n_sequences, n_memories, n_cells)),
        np.full((n_sequences, n_memories, n_grids), -np.inf),
        np.zeros((n_sequences, RECENT, n_cells), dtype=np.uint8),
    )


@inlined
def rank(counts, n, code, draw):
    """Count a code, and return its conformal p-value: its rank among all n so far, over their number.

    The place among equal codes is drawn. Of exchangeable codes these are independent and uniform.
    """
    counts[code] += 1
    below = 0
    for k in range(code):
        below += counts[k]
    return (below + draw * counts[code]) / n


@inlined
def cell(p):
    """Return the cell of a number between 0 and 1."""
    if p < 0.0625:
        return int(p >= 0.0009765625) + int(p >= 0.00390625) + int(p >= 0.015625)
    return min(int(16.0 * p), 15) + 3


@exact_kernel
def place_bets(memory, grid, widths, prior, inside, density):
    """Write the density (n_cells,) on which is bet: that of the cells' counts and of a uniform prior."""
    total = prior
    for c in range(widths.size):
        inside[c] = 0.0
    for c in range(widths.size):
        inside[grid[c]] += memory[c]
        total += memory[c]
    scale = 1.0 / total
    for c in range(widths.size):
        density[c] = (inside[grid[c]] / widths[c] + prior) * scale  # OUT


@kernel
def log_gain(block, density):
    """Return the log of the product of the densities in the cells (n_cells,) of a block's ranks."""
    gain = 0.0
    for c in range(density.size):
        gain += block[c] * log_positive(density[c])
    return gain


@exact_kernel
def log_idle(b):
    """Return the log of the prior weight of all who begin to bet at block b or later; at block 0 it is 1."""
    return -np.log1p(np.log1p(b))


@exact_kernel
def log_beginning(b):
    """Return the log of the prior weight of those who begin at block b, the difference of two `log_idle`."""
    return np.log(np.log1p(1.0 / (b + 1.0))) + log_idle(b) + log_idle(b + 1.0)


@exact_kernel
def log_sum(a, b):
    """Return log(exp(a) + exp(b)), of which b is finite."""
    return max(a, b) + np.log1p(np.exp(-abs(a - b)))


@exact_kernel
def settle(b, block, memory, log_stakes, tools, inside, density):
    """Pay the bets on block number b, and return the log of the whole wealth; memory and stakes change.

    Bettors have a memory and a grid each, and the same wealth at first. So much of it as `log_beginning`
    says is added to the stakes before each block. What is never staked is kept.
    """
    memories, grids, widths, prior = tools
    beginning = log_beginning(b)
    log_wealth = -np.inf
    for m in range(memories.size):
        for g in range(grids.shape[0]):
            place_bets(memory[m], grids[g], widths[g], prior, inside, density)
            log_stakes[m, g] = log_sum(log_stakes[m, g], beginning) + log_gain(block, density)
            log_wealth = log_sum(log_wealth, log_stakes[m, g])
        kept = np.exp(-BLOCK / memories[m])
        for c in range(density.size):
            memory[m, c] = kept * memory[m, c] + block[c]
    return log_sum(log_wealth - np.log(log_stakes.size), log_idle(b + 1.0))


@loop
def bet(codes, draws, n_before, limit, highest, bets, tools):
    """Bet on the ranks of codes until the log wealth of a sequence reaches a limit.

    Parameters
    ----------
    codes : (n_samples, n_sequences)
    draws : (n_samples, n_sequences), numbers from 0 to 1
    n_before : int
        Rows before the first of these.
    limit : float
    highest : float
        The highest log wealth of any sequence so far.
    bets : Bets
        Changed in place.  # OUT
    tools : Tools

    Returns
    -------
    n_used : int
    highest : float
    """
    counts, block, memory, log_stakes, recent = bets
    n_cells = block.shape[1]
    inside = np.empty(n_cells)
    density = np.empty(n_cells)
    n_frozen = counts[0].sum()
    for i in range(codes.shape[0]):
        n_frozen += 1
        for s in range(codes.shape[1]):
            block[s, cell(rank(counts[s], n_frozen, codes[i, s], draws[i, s]))] += 1
        n = n_before + i + 1
        if n % BLOCK == 0:
            b = n // BLOCK - 1
            for s in range(codes.shape[1]):
                log_wealth = settle(float(b), block[s], memory[s], log_stakes[s], tools, inside, density)
                highest = max(highest, log_wealth)
                for c in range(n_cells):
                    recent[s, b % RECENT, c] = block[s, c]
                    block[s, c] = 0
            if highest >= limit:
                return i + 1, highest
    return codes.shape[0], highest
