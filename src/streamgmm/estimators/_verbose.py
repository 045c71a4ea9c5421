"""What scikit-learn's mixtures print, in its words."""

from __future__ import annotations

from time import perf_counter


class Reporter:
    """Prints the progress of one start."""

    def __init__(self, verbose: int, interval: int) -> None:
        self.verbose = int(verbose)
        self.interval = interval
        self.began = self.last = perf_counter()

    def begin(self, start: int) -> None:
        """Print the number of a start."""
        if self.verbose >= 1:
            print(f"Initialization {start}")
        self.began = self.last = perf_counter()

    def iteration(self, n_iter: int, change: float) -> None:
        """Print an iteration and its change of the mean log-likelihood."""
        if self.verbose < 1 or n_iter % self.interval:
            return
        if self.verbose == 1:
            print(f"  Iteration {n_iter}")
            return
        now = perf_counter()
        print(f"  Iteration {n_iter}\t time lapse {now - self.last:.5f}s\t ll change {change:.5f}")
        self.last = now

    def end(self, lower_bound: float, converged: bool) -> None:
        """Print how a start ended."""
        outcome = "converged" if converged else "did not converge"
        if self.verbose == 1:
            print(f"Initialization {outcome}.")
        elif self.verbose >= 2:
            seconds = perf_counter() - self.began
            print(f"Initialization {outcome}. time lapse {seconds:.5f}s\t lower bound {lower_bound:.5f}.")
