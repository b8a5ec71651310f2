"""What the peers' scripts share; it runs in their environments, so it imports nothing of the project."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Runs something, and gives its seconds by the clock and of the processor, and what it returned."""
    begin, used = time.perf_counter(), os.times()
    result = work()
    now = os.times()
    processor = sum(now[:4]) - sum(used[:4])
    return {"seconds": time.perf_counter() - begin, "processor_seconds": processor}, result


def tell(figures: dict[str, Any]) -> None:
    """Prints the figures as JSON, the last line that is printed."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write("\n" + json.dumps({**figures, "peak_bytes": peak}) + "\n")
