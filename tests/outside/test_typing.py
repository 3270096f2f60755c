"""A user's project type-checks the examples as they are written, without pydantic's plugin."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .snippets import blocks
from .text import ROOT

MORE = """
from datetime import datetime

from alodial import CallQueue, Disposition, InvalidCall, IvrCall, Phone, Queue, RedialPolicy, TwoWayCall

numbers: list[str] = ["994412860"]
TwoWayCall(callfrom="712037006", callto=numbers)
TwoWayCall(callfrom=712037006, callto=994412860)
TwoWayCall(callfrom={"phone": "712037006", "lang": "ru"}, callto=[{"queue": "6000"}])
TwoWayCall(callfrom=Phone(phone="712037006"), callto=[Queue(queue="6000"), Phone(phone="994412860"), "977076909"])
TwoWayCall(callfrom="712037006", callto=Queue(queue="6000"), redial=RedialPolicy(max_attempts=3, delays={"busy": [60]}))
TwoWayCall(callfrom="712037006", callto="994412860", redial={"max_attempts": 3, "delays": {"busy": [60, 300]}})
RedialPolicy(max_attempts=3, delays={Disposition.BUSY: [60]})
call = IvrCall(callto="994412860", ivrid=222, fromline="712037006")
IvrCall(callto="994412860", ivrid=222, fromline=712037006, priority="urgent", metadata={"shop": "12"})
IvrCall(callto=994412860, ivrid=222, fromline="712037006", extid=7, not_before=datetime.now().astimezone())
line: str = call.fromline
try:
    CallQueue().enqueue(call, reference="order-17")
except InvalidCall as exc:
    remedies: list[str] = [problem.remedy for problem in exc.problems]
"""

WRONG = """
from alodial import IvrCall, TwoWayCall

TwoWayCall(callto=["994412860"])
TwoWayCall(callfrom="712037006", callto=["994412860"], colour="red")
IvrCall(callto="994412860", ivrid="menu", fromline="712037006")
"""


def _mypy(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    (folder / "mypy.ini").write_text("[mypy]\n")  # without the plugin that this repository's own configuration has
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *names],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@pytest.mark.slow
def test_mypy_accepts_the_readmes_examples_and_refuses_wrong_calls(tmp_path: Path) -> None:
    texts = [block.text for block in blocks(ROOT / "README.md", "python")]
    assert "TwoWayCall(" in texts[0]
    for number, text in enumerate([*texts, MORE]):
        (tmp_path / f"example{number}.py").write_text(text)
    (tmp_path / "wrong.py").write_text(WRONG)
    names = [path.name for path in sorted(tmp_path.glob("*.py"))]
    report = _mypy(tmp_path, *names).stdout
    assert "example" not in report, report
    assert re.findall(r"^wrong.py:(\d+): error", report, re.MULTILINE) == ["4", "5", "6"], report
