"""Runs commands in processes that are forked from a warm one: imports, most of a command's time, happen once.

As a program it is that process: a line of JSON on standard input is a command, a line on standard output its exit code.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class ForkedCommands:
    """Commands of `alodial`, each in a process, an environment and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._out, self._err = folder / "command.out", folder / "command.err"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")}
        self._server = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, command: tuple[str, ...], environment: dict[str, str], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        job = {"args": command, "env": environment, "cwd": str(folder), "out": str(self._out), "err": str(self._err)}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(job), file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        return subprocess.CompletedProcess(command, code, self._out.read_text(), self._err.read_text())

    def stop(self) -> None:
        """Ends the warm process."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(10)


def _child(job: dict[str, Any]) -> None:
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, job["out"], os.O_RDWR), (2, job["err"], os.O_RDWR)):
        opened = os.open(name, flags if flags == os.O_RDONLY else flags | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
    sys.argv = ["alodial", *job["args"]]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as exc:
        code = int(exc.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    import alodial.calls.queue
    import alodial.cli.app
    import alodial.observability.diagnosis
    import alodial.settings  # noqa: F401  # for the commands
    from alodial.cli import main

    for line in sys.stdin:
        if (child := os.fork()) == 0:
            _child(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
