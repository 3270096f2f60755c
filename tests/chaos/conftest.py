"""Puts this folder on the path, so that its tests share the plant."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "archive")]
