"""What all tests share: the oracle can be imported, hypothesis draws the same examples each time."""

from __future__ import annotations

import sys
from pathlib import Path

import numba
from hypothesis import HealthCheck, settings

# With --import-mode=importlib no test directory is on the path, and `import naive` needs it.
sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile(
    "streamgmm",
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # the first example may compile
)
settings.load_profile("streamgmm")


def pytest_configure(config):
    """Let uncompiled kernels divide by zero and overflow as silently as compiled ones do."""
    if numba.config.DISABLE_JIT:
        rooms = "kernels|covariance|parameterizations|rules"  # those with kernels
        config.addinivalue_line("filterwarnings", rf"ignore::RuntimeWarning:streamgmm\.({rooms})")
