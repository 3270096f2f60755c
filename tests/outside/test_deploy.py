"""The deployment, checked by its parts: there is no Docker engine and no init system where the tests run."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml  # type: ignore[import-untyped]  # its stubs are another package, for one call

from alodial.settings import Settings
from alodial.store import redis_checks
from alodial.testing.redis_server import find_server, free_port

from .text import ROOT

DEPLOY = ROOT / "deploy"
UNITS = ("alodial-web@.service", "alodial-worker@.service", "alodial-archive.service")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return found


def _seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_compose_has_redis_web_worker_and_archive_and_sandbox_as_profiles(services: dict[str, Any]) -> None:
    assert set(services) == {"redis", "web", "worker", "archive", "sandbox"}
    assert [name for name, service in services.items() if service.get("profiles")] == ["archive", "sandbox"]


def test_compose_waits_longer_for_a_worker_than_the_worker_waits_for_alovoice(services: dict[str, Any]) -> None:
    from alodial_workers.main import SHUTDOWN_MARGIN  # noqa: PLC0415  # Dramatiq need not load for the other tests here

    longest = Settings.model_fields["provider_timeout"].default + SHUTDOWN_MARGIN
    assert _seconds(services["worker"]["stop_grace_period"]) > longest + 2
    for unit in UNITS:
        stop = re.search(r"^TimeoutStopSec=(\d+)$", (DEPLOY / unit).read_text(), re.MULTILINE)
        assert stop is not None
        assert int(stop[1]) > longest + 2


def test_compose_waits_longer_for_web_than_web_waits_for_its_requests(services: dict[str, Any]) -> None:
    from alodial.server.serve import STOP_SECONDS  # noqa: PLC0415  # the web framework need not load for the other tests here

    assert _seconds(services["web"]["stop_grace_period"]) > STOP_SECONDS
    unit = (DEPLOY / "alodial-web@.service").read_text()
    drain, stop = (
        re.search(r"--drain (\d+)$", unit, re.MULTILINE),
        re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE),
    )
    assert drain is not None
    assert stop is not None
    assert int(stop[1]) > int(drain[1]) + STOP_SECONDS


def test_containers_hold_no_secret_no_root_and_no_way_to_write_but_the_spool(services: dict[str, Any]) -> None:
    for name in ("web", "worker", "archive", "sandbox"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        given = service.get("environment", {})
        assert not {
            key for key, value in given.items() if re.search("TOKEN|SECRET|KEYS", key) and "$" not in str(value)
        }
    assert "ports" not in services["redis"]
    assert services["web"]["volumes"] == ["spool:/var/lib/alodial", "archive:/var/lib/alodial/archive"]
    assert all(port.startswith("127.0.0.1:") for name in ("web", "sandbox") for port in services[name]["ports"])


def test_the_shipped_redis_loses_nothing_in_a_power_failure() -> None:
    assert "\nappendfsync always\n" in (DEPLOY / "redis.conf").read_text()
    assert "\nALODIAL_DURABILITY=fsync\n" in (DEPLOY / "env.example").read_text()
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert {services[name]["environment"]["ALODIAL_DURABILITY"] for name in ("web", "worker")} == {"fsync"}


def test_the_image_is_built_in_two_stages_and_does_not_run_as_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(stages) == 2
    assert all(stage.endswith("-slim") for stage in stages)
    last = text[text.rindex("\nFROM ") :]
    order = [last.index(f"\n{word} ") for word in ("RUN", "USER", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD")]
    assert order == sorted(order)
    assert "STOPSIGNAL SIGTERM" in last
    assert not re.search(r"TOKEN|SECRET|API_KEYS|PASSWORD", text)


def test_the_image_copies_what_is_there_and_all_that_the_wheel_is_made_of() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for name in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    needed = {"pyproject.toml", "README.md", "LICENSE", "schemas", "producers", "workers", "docs", "deploy"}
    assert needed <= copied


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_what_systemd_understands(unit: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    there = tmp_path / unit
    # The binary is looked for: any that exists will do.
    there.write_text((DEPLOY / unit).read_text().replace("/opt/alodial/bin/alodial", sys.executable))
    done = subprocess.run([analyze, "verify", "--man=no", str(there)], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if unit.partition("@")[0].partition(".")[0] in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("unit", UNITS)
def test_units_start_commands_that_exist_and_are_hardened(unit: str) -> None:
    text = (DEPLOY / unit).read_text()
    assert f"ExecStart=/opt/alodial/bin/alodial {unit.removeprefix('alodial-').partition('.')[0].rstrip('@')}" in text
    for line in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "User=alodial",
        "Restart=always",
    ):
        assert f"\n{line}\n" in text


def _environment(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_example_of_an_environment_is_read_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = _environment(DEPLOY / "env.example")
    assert {"ALODIAL_REDIS_URL", "ALODIAL_PROVIDER_TOKEN", "ALODIAL_CALLBACK_SECRET", "ALODIAL_API_KEYS"} <= set(given)
    for name, value in given.items():
        assert name.removeprefix("ALODIAL_").lower() in Settings.model_fields, name
        # A secret that is left empty is refused.
        monkeypatch.setenv(name, value or "filled-in-by-a-person")
    assert Settings(_env_file=None).allowed_prefixes == ("+998",)


def test_the_example_of_an_environment_holds_no_secret() -> None:
    given = _environment(DEPLOY / "env.example")
    assert not {name for name, value in given.items() if value and re.search("TOKEN|SECRET|KEYS", name)}


def test_redis_takes_our_configuration_and_is_then_fit(tmp_path: Path) -> None:
    port = free_port()
    command = [
        find_server(),
        str(DEPLOY / "redis.conf"),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(tmp_path),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert server.stdout is not None
        said = []
        for line in server.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                break
        assert server.poll() is None, "".join(said)
        with redis.Redis(port=port) as client:
            findings = redis_checks.inspect(client)
        assert {finding.level for finding in findings} == {"ok"}, findings
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as the Dockerfile builds it, from a copy of what the Dockerfile copies."""
    source, wheels = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source)
    for name in ("schemas", "producers", "workers", "docs", "deploy"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(wheels), "."],
        cwd=source,
        check=True,
        timeout=150,
    )
    (built,) = wheels.glob("alodial-*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_script_and_the_marks_of_types_and_nothing_else_than_our_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    scripts = {path.name for path in (ROOT / "producers" / "alodial" / "store" / "lua").glob("*.lua")}
    assert {name.rpartition("/")[2] for name in names if name.endswith(".lua")} == scripts
    assert {name for name in names if name.endswith("py.typed")} == {
        f"{package}/py.typed" for package in ("alodial", "alodial_schemas", "alodial_workers")
    }
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "alodial",
        "alodial_schemas",
        "alodial_workers",
    }
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_works_where_the_sources_are_not(wheel: Path, tmp_path: Path) -> None:
    """In a fresh virtual environment that sees this one's dependencies, so that nothing is downloaded again."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "-q", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    ours = Path(redis.__file__).parents[1]
    # By PYTHONPATH: a path file in it would bring the editable install of the sources with it.
    code = """
import alodial, alodial_schemas, alodial_workers.main, alodial.server.app
from alodial.store.scripts import load_scripts
print(alodial.__file__, len(load_scripts(1000, 1000)))
"""
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{ours}"}
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site))
    command = tmp_path / "venv" / "bin" / "alodial"
    helped = subprocess.run(
        [command, "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert helped.returncode == 0, helped.stderr
    assert all(name in helped.stdout for name in ("call", "web", "worker", "sandbox", "doctor", "demo"))
