from __future__ import annotations

import subprocess
import sys

import alodial_schemas


def test_every_exported_name_exists_and_is_listed_once() -> None:
    names = alodial_schemas.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(alodial_schemas, name) for name in names)


def test_importing_the_schemas_pulls_in_nothing_heavy() -> None:
    code = "import sys, alodial_schemas; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )
    assert "alodial_schemas.calls" in loaded
    assert not loaded & {
        "phonenumbers",
        "redis",
        "httpx",
        "dramatiq",
        "fastapi",
        "starlette",
        "structlog",
        "asyncio",
    }
