"""What a program pays to start: processor time of ``import alodial`` and of ``alodial --help``, beside a bare Python."""

import os
import subprocess
import sys

COMMANDS = {
    "python": ("-c", "pass"),
    "import": ("-c", "import alodial"),
    "help": ("-m", "alodial.cli", "--help"),
}


def startup(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time, in turns; the first round fills the caches and is not counted."""
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            took[name].append((usage.ru_utime + usage.ru_stime) * 1000)
    return {name: values[1:] for name, values in took.items()}
