"""Compares the packages of a lock file with the known advisories, by pip-audit, and says which packages it could not compare.

    python deploy/audit.py requirements.lock

Ends with 1 where a package has an advisory, whatever could not be audited beside it, and where pip-audit fails by itself; with
0 and a line that says so where the advisories cannot be reached.
"""

import json
import subprocess
import sys
from typing import Any

AWAY = ("ServiceError", "ConnectionError", "ConnectionRefused", "Max retries", "Timeout", "ProxyError", "HTTPError")
"""What pip-audit's last words have in them where it reaches no source."""


def report(output: str, errors: str) -> tuple[list[str], int]:
    """The lines to print for pip-audit's JSON and its messages, and the exit code."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        if any(word in errors for word in AWAY):
            return ["no audit: the advisories cannot be reached"], 0
        return [errors.strip() or "pip-audit said nothing"], 1
    lines = [
        f"{package['name']} {package['version']}: {advisory['id']}, fixed in {', '.join(advisory['fix_versions']) or 'none'}"
        for package in packages
        for advisory in package.get("vulns", ())
    ]
    found = len(lines)
    skipped = sorted(package["name"] for package in packages if "skip_reason" in package)
    lines.append(f"{len(packages) - len(skipped)} packages audited, {found} advisories")
    if skipped:
        lines.append(f"not audited, for the index has no advisories of them: {len(skipped)}: {', '.join(skipped)}")
    return lines, 1 if found else 0


def main(lock: str) -> int:
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--format",
        "json",
        "--disable-pip",
        "--require-hashes",
        "--requirement",
        lock,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command
    lines, code = report(done.stdout, done.stderr)
    sys.stdout.write("\n".join(lines) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
