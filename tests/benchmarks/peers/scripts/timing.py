"""What the peers' scripts share: they are told the work as arguments and print one line of JSON."""

import json
import resource
import sys
import time


def timed(work):
    """Seconds that a call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def tell(seconds, **more):
    """Print the result; memory is the largest of this process and of those it has waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024
    print("\n" + json.dumps({"seconds": seconds, "memory": peak, **more}))


def run(works):
    """Do the work that the arguments name, with their size."""
    name, size = sys.argv[1], int(sys.argv[2])
    result = works[name](size)
    tell(*result) if isinstance(result, tuple) else tell(result)
