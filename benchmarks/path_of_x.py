"""List the functions of the package that hold the rows between `GaussianMixture.fit` and the kernel.

A function holds them if an argument, or a variable that it takes from around it, is the array, a view of it, or
an object of the package that keeps it. A comprehension is part of its function. docs/architecture.md quotes the
list.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType, FunctionType, MethodType
from typing import Any

import numpy as np

import streamgmm
from streamgmm import GaussianMixture
from streamgmm.kernels import rows as kernels

HOME = Path(streamgmm.__file__).parent
COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")
KERNELS = ("statistics", "stream")


def holds(value: Any, X: np.ndarray, depth: int = 8) -> bool:
    """Tell whether a value is the rows, or keeps them."""
    if isinstance(value, np.ndarray):
        return np.shares_memory(value, X)
    if not depth:
        return False
    if isinstance(value, tuple | list):
        return any(holds(part, X, depth - 1) for part in value)
    if isinstance(value, partial):
        return holds([value.func, *value.args, *value.keywords.values()], X, depth - 1)
    if isinstance(value, MethodType):
        return holds(value.__self__, X, depth - 1)
    if isinstance(value, FunctionType):
        return holds([cell.cell_contents for cell in value.__closure__ or ()], X, depth - 1)
    if not type(value).__module__.startswith("streamgmm"):
        return False
    return holds(list(getattr(value, "__dict__", {}).values()), X, depth - 1)


def path_of(X: np.ndarray) -> list[tuple[str, str]]:
    """Return file and function of every stay of X, from the call of `fit` to the first sums by a kernel."""
    stays: list[tuple[str, str]] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        is_ours = path.is_relative_to(HOME) and not path.is_relative_to(HOME / "_compat")
        if event != "call" or not is_ours or frame.f_code.co_name in COMPREHENSIONS:
            return
        if any(holds(value, X) for value in frame.f_locals.values()):
            stays.append((str(path.relative_to(HOME)), frame.f_code.co_qualname))

    def arrived(kernel: Callable[..., Any], *arguments: Any) -> Any:
        sys.setprofile(None)
        return kernel(*arguments)

    compiled = {name: getattr(kernels, name) for name in KERNELS}
    for name, kernel in compiled.items():
        setattr(kernels, name, partial(arrived, kernel))
    model = GaussianMixture(2, random_state=0, n_threads=1)
    try:
        sys.setprofile(profile)
        model.fit(X)
    finally:
        sys.setprofile(None)
        for name, kernel in compiled.items():
            setattr(kernels, name, kernel)
    return stays


def main() -> None:
    """Print the path of an array that EM learns from."""
    stays = path_of(np.random.default_rng(0).normal(size=(1000, 3)))
    for file, function in dict.fromkeys(stays):
        print(f"{file}: {function}, {stays.count((file, function))}")
    n_files = len({file for file, _ in stays})
    print(f"{len(stays)} stays in {len(set(stays))} functions in {n_files} files")


if __name__ == "__main__":
    main()
