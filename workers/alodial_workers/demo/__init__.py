"""``alodial demo``: a Redis, a sandbox, web and a worker on loopback, a varied set of calls, and how they ended."""


def run_demo(*, calls: int = 24, speed: float = 60.0, keep: bool = False) -> int:
    """Runs the demo; returns the exit code.

    ``calls`` is how many to place, at least the varied set; ``speed`` how many times faster than real time they run, 1 to
    10,000; with ``keep`` it stays up until Ctrl-C. 0: every call ended as announced; 1: a call did not, or a process did not
    start; 2: a wrong value; 130: interrupted before the end.
    """
    from .run import run  # noqa: PLC0415  # the command line's --help need not load all of it

    return run(calls=calls, speed=speed, keep=keep)
