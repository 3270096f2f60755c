"""``alodial bench``: what this machine and its Redis can do, and what to set."""

from .run import run_bench

__all__ = ["run_bench"]
