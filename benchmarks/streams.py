"""Whether a stream learns as well as a batch: ``python benchmarks/streams.py [check ...]``.

How much one pass over 20 streams loses against the best of ten EM starts, in any order of the rows; what is
left of a loss after the world has changed; and in what time. Every check prints a line for each stream, and
at the end what is asked, what was measured, and pass or MISS.

Losses are nats a held-out row below the reference of `streams_reference.json`, which ``reference`` makes.
``--group chosen`` leaves out the streams on which nothing may be tuned. ``--with '{"memory_rows": 0}'`` gives
the learner other parameters than its defaults.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from optimum import Row, show
from streams_changes import change_check, returns_check, stationary_check
from streams_clusters import auto_check, clusters_check
from streams_orders import reference, shuffled_check, sorted_check
from streams_sets import GROUPS, SETS
from streams_times import longest_check, time_check

CHECKS: dict[str, Callable[[Any], list[Row]]] = {
    "shuffled": shuffled_check,
    "sorted": sorted_check,
    "clusters": clusters_check,
    "change": change_check,
    "returns": returns_check,
    "stationary": stationary_check,
    "time": time_check,
    "longest": longest_check,
    "auto": auto_check,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["reference", *CHECKS]
    parser.add_argument(
        "checks", nargs="*", metavar="check", help=f"of {', '.join(names)}; all but the first by default"
    )
    parser.add_argument("--group", choices=GROUPS, help="only these streams")
    parser.add_argument(
        "--set",
        action="append",
        choices=[one.name for one in SETS],
        help="only this stream; more than once for more",
    )
    parser.add_argument(
        "--seeds", type=int, help="how many; by default as many as the check asks for, or one"
    )
    parser.add_argument(
        "--with", dest="parameters", type=json.loads, default={}, help="parameters of the learner, in JSON"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.checks) - set(names):
        parser.error(f"no check is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    for name in arguments.checks or CHECKS:
        begin = time.perf_counter()
        try:
            rows += {"reference": reference, **CHECKS}[name](arguments)
        except Exception as error:  # the other checks go on; this one has failed
            traceback.print_exc()
            rows.append(Row(name, "to run", f"{type(error).__name__}: {error}", False))
        print(f"({name}: {time.perf_counter() - begin:.0f} s)", flush=True)
    show(rows)


if __name__ == "__main__":
    main()
