"""``alodial demo``: a whole house on loopback, a varied set of calls through it, and what became of them."""


def run_demo(*, calls: int = 24, speed: float = 60.0, keep: bool = False) -> int:
    """Runs the demo; answers the exit code.

    ``calls`` is how many to place, at least the varied set; ``speed`` how many times faster than life they run, 1 to
    10,000; ``keep`` stays up until Ctrl-C. 0: every call ended as announced; 1: one did not, or something did not start;
    2: a wrong value; 130: interrupted before the end.
    """
    from .run import play  # noqa: PLC0415  # the command line's --help need not load all of it

    return play(calls=calls, speed=speed, keep=keep)
