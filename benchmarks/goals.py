"""The rows that the product is held to: what each is measured against, what it must reach, and what it aims at."""

from typing import Literal, NamedTuple


class Goal(NamedTuple):
    """``better`` says whether more or less is better; None where nothing was set. ``unit`` stands after each figure."""

    title: str
    anchor: str
    unit: str
    must: float | None
    aim: float | None
    better: Literal["more", "less"] = "more"


DRAMATIQ = "bare Dramatiq, 32 threads"
SEND = "Dramatiq's `send()`"

GOALS: dict[str, Goal] = {
    "drain_0": Goal("drain, AloVoice answers at once", DRAMATIQ, "x", 10.5, 13),
    "drain_50": Goal("drain, answers after 50 ms", DRAMATIQ, "x", 11, 12),
    "drain_200": Goal("drain, answers after 200 ms", DRAMATIQ, "x", 28, 45),
    "cpu_1000": Goal("processor for 1,000 calls, answers at once", "", "s", None, None, "less"),
    "in_flight_2048": Goal("2,048 in flight, answers after 200 ms", "", "/s", 6500, 7800),
    "limited_50": Goal("processor for a call at 50/s, two workers", "without a limit", "x", 3, 1.5, "less"),
    "limited_500": Goal("the same at 500/s", "without a limit", "x", 2, 1.2, "less"),
    "limited_2000": Goal("the same at 2,000/s", "without a limit", "x", 3, 1.5, "less"),
    "exact_2000": Goal("POSTs above 2,000/s, fullest second", "the limit", "", 0, 0, "less"),
    "pickup_p50": Goal("idle: `enqueue` to POST, p50", "taskiq", "ms", 2.5, 1.2, "less"),
    "pickup_p99": Goal("idle: `enqueue` to POST, p99", "taskiq", "ms", 6, 3, "less"),
    "idle_cpu": Goal("idle worker, per cent of a core", "taskiq", "%", 0.8, 0.2, "less"),
    "enqueue": Goal("`enqueue`, one by one", SEND, "x", 1.0, 1.2),
    "enqueue_many": Goal("`enqueue_many`", SEND, "x", 6, 8),
    "post_calls": Goal("`POST /v1/calls`", "bare FastAPI, one batched write", "x", 1.0, 1.2),
    "batch": Goal("`POST /v1/calls/batch`, 10,000 rows", "", "/s", 40_000, 60_000),
    "callbacks": Goal("result callbacks", "bare Starlette, one write", "x", 1.2, 1.5),
    "redis_life": Goal("Redis' processor for a call's whole life", "", "ms", 0.15, 0.1, "less"),
    "import": Goal("`import alodial`", "bare Python", "ms", 16, None, "less"),
    "help": Goal("`alodial --help`", "bare Python", "ms", 130, None, "less"),
}


def reached(goal: Goal, value: float) -> str:
    """``aim``, ``must``, ``no``, or nothing where nothing was set."""
    for name, limit in (("aim", goal.aim), ("must", goal.must)):
        if limit is not None and (value >= limit if goal.better == "more" else value <= limit):
            return name
    return "no" if goal.must is not None else ""
