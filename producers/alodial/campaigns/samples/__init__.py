"""Lists to begin with: templates to fill in, and two samples of invented people. Read first: templates.py.

``sample.csv`` has 300 good rows whose numbers the sandbox knows by their last two digits; ``sample-with-mistakes.csv`` has one
row of every kind that is refused. Both are written by ``python -m alodial.campaigns.samples.sample_rows``.
"""

from pathlib import Path

from .templates import LANGUAGES, make_template, write_template

SAMPLE = "sample.csv"
MISTAKES = "sample-with-mistakes.csv"


def sample_path(name: str = SAMPLE) -> Path:
    """Where a sample is. Raises FileNotFoundError for a name that none has."""
    if name not in (SAMPLE, MISTAKES):
        raise FileNotFoundError(f"there is no sample {name!r}; use {SAMPLE} or {MISTAKES}")
    return Path(__file__).with_name(name)


__all__ = ["LANGUAGES", "MISTAKES", "SAMPLE", "make_template", "sample_path", "write_template"]
