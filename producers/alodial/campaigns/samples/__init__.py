"""Templates to fill in, and two sample files of invented people. Read first: templates.py.

``sample.csv`` has 300 good rows; the last two digits of each number tell the sandbox how the call ends.
``sample-with-mistakes.csv`` has a row for every kind of mistake. ``python -m alodial.campaigns.samples.sample_rows`` writes both.
"""

from pathlib import Path

from .templates import LANGUAGES, make_template, write_template

SAMPLE = "sample.csv"
MISTAKES = "sample-with-mistakes.csv"


def sample_path(name: str = SAMPLE) -> Path:
    """The path of a sample file. Raises FileNotFoundError for an unknown name."""
    if name not in (SAMPLE, MISTAKES):
        raise FileNotFoundError(f"there is no sample {name!r}; use {SAMPLE} or {MISTAKES}")
    return Path(__file__).with_name(name)


__all__ = ["LANGUAGES", "MISTAKES", "SAMPLE", "make_template", "sample_path", "write_template"]
