"""Prints the packages of a lock file with their hashes as a CycloneDX 1.5 document: what the container image installs."""

import json
import re
import sys
from pathlib import Path
from typing import Any


def components(lock: str) -> list[dict[str, Any]]:
    """Returns a component for each pinned package, with the SHA-256 of each file that may be installed of it."""
    parts = []
    for match in re.finditer(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)[^\n]*((?:\n +--hash=[^\n]*)*)", lock, re.M):
        name, version, hashes = match.groups()
        digests = re.findall(r"sha256:([0-9a-f]{64})", hashes)
        parts.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name.lower()}@{version}",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
            }
        )
    return parts


if __name__ == "__main__":
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "alodial"}},
        "components": components(Path(sys.argv[1]).read_text()),
    }
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
