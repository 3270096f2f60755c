"""What is installed is pinned, hashed, listed, and above the known advisories."""

import json
import re
import runpy
import subprocess
import sys
import tomllib
from typing import Any

from .text import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
SAFE = {
    "starlette": (0, 49, 1),
    "python-multipart": (0, 0, 22),
    "h11": (0, 16),
    "jinja2": (3, 1, 6),
    "certifi": (2024, 7, 4),
}
"""The first version without a known way to exhaust, smuggle past or mislead a server."""


def _lists() -> list[str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]


def test_no_version_with_a_known_advisory_is_allowed() -> None:
    for name, safe in SAFE.items():
        floors = [match[1] for line in _lists() if (match := re.match(rf"{name}>=([\d.]+)", line))]
        assert floors, name
        for floor in floors:
            assert tuple(map(int, floor.split("."))) >= safe, (name, floor)


def test_the_image_installs_nothing_without_a_hash() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "--require-hashes --requirement requirements.lock" in dockerfile
    pinned = re.findall(r"^[\w.-]+==", LOCK, re.M)
    assert len(re.findall(r"^[\w.-]+==[^\n]*\\\n +--hash=sha256:", LOCK, re.M)) == len(pinned) > 30


def test_the_list_of_parts_has_every_package_with_its_hashes() -> None:
    command = [sys.executable, "deploy/sbom.py", "requirements.lock"]
    document = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert document["bomFormat"] == "CycloneDX"
    names = {part["name"] for part in document["components"]}
    assert names == set(re.findall(r"^([\w.-]+)==", LOCK, re.M))
    assert all(part["hashes"] and part["purl"].startswith("pkg:pypi/") for part in document["components"])


def test_an_audit_says_what_it_found_and_which_packages_it_could_not_compare() -> None:
    report = runpy.run_path(str(ROOT / "deploy" / "audit.py"))["report"]
    bad = {"name": "jinja2", "version": "3.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}]}
    good, unknown = {"name": "h11", "version": "0.16", "vulns": []}, {"name": "redis", "skip_reason": "not found"}

    def read(*packages: dict[str, Any]) -> tuple[str, int]:
        lines, code = report(json.dumps({"dependencies": packages, "fixes": []}), "")
        return "\n".join(lines), code

    text, code = read(bad, good, unknown)
    assert code == 1, "what is found counts, whatever could not be audited"
    assert "jinja2 3.0: PYSEC-1, fixed in 3.1.6" in text
    assert "2 packages audited, 1 advisories" in text
    assert "not audited" in text
    assert text.endswith("1: redis")
    assert read(good, unknown)[1] == 0
    assert "not audited" not in read(good)[0]
    assert report("", "requests.exceptions.ConnectionError: refused") == (
        ["no audit: the advisories cannot be reached"],
        0,
    )
    assert report("", "no such file")[1] == 1
