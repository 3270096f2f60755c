"""The protocol of a process that enqueues: for each line "N" it enqueues N jobs and prints "start_ns end_ns cpu_ns"."""

import sys
import time
from collections.abc import Callable

BODY = "callfrom[phone]=712037006&callto[0][phone]=994412860&callto[1][phone]=977076909&extid="


def feed(send: Callable[[int, int], None]) -> None:
    """Calls ``send(first, count)`` for each line of standard input, until its end."""
    number = 100_000
    print("ready", flush=True)
    for line in sys.stdin:
        count = int(line)
        began, cpu = time.monotonic_ns(), time.process_time_ns()
        send(number, count)
        print(began, time.monotonic_ns(), time.process_time_ns() - cpu, flush=True)
        number += count
