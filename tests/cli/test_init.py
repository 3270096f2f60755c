"""``alodial init``: a complete ``.env`` with strong secrets, which no other is overwritten by."""

import re
import stat
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from alodial.cli.init import filled, shipped_file
from alodial.settings import Settings

from .conftest import Alodial

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shop"


def test_the_written_file_is_complete_secret_and_read_without_complaint(alodial: Alodial, folder: Path) -> None:
    done = alodial("init", "--yes", "--dir", str(folder))
    assert (done.code, done.out) == (0, "")
    env = folder / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    values = dotenv_values(env)
    settings = Settings(_env_file=env, _env_prefix="ALODIAL_")
    assert settings.provider_url.startswith("http")
    for name in ("ALODIAL_CALLBACK_SECRET", "ALODIAL_API_KEYS"):
        secret = values[name] or ""
        assert len(secret) >= 32
        assert secret not in done.err
    assert set(re.findall(r"^(?:# )?(ALODIAL_\w+)=", env.read_text(), re.MULTILINE)) == {
        f"ALODIAL_{name.upper()}" for name in Settings.model_fields
    }


def test_secrets_are_new_each_time(alodial: Alodial, tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        assert alodial("init", "--yes", "--dir", str(tmp_path / name)).code == 0
        texts.append(dotenv_values(tmp_path / name / ".env"))
    for name in ("ALODIAL_CALLBACK_SECRET", "ALODIAL_API_KEYS", "ALODIAL_PROVIDER_TOKEN"):
        assert texts[0][name] != texts[1][name]


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_an_existing_file_is_not_touched(alodial: Alodial, folder: Path, kind: str) -> None:
    folder.mkdir()
    env = folder / ".env"
    if kind == "file":
        env.write_text("ALODIAL_API_KEYS=mine\n")
    else:
        env.symlink_to(folder / "elsewhere")
    done = alodial("init", "--yes", "--dir", str(folder))
    assert done.code == 1
    assert "exists already" in done.err
    assert "hint: " in done.err
    assert not (folder / "elsewhere").exists()
    assert kind != "file" or env.read_text() == "ALODIAL_API_KEYS=mine\n"


def test_a_live_file_has_no_sandbox_and_says_what_is_left_to_fill_in(alodial: Alodial, folder: Path) -> None:
    done = alodial("init", "--live", "--yes", "--dir", str(folder))
    assert done.code == 0
    assert dotenv_values(folder / ".env")["ALODIAL_PROVIDER_URL"] == "https://cld.alovoice.uz"
    assert "ALODIAL_PROVIDER_TOKEN" in done.err


def test_it_prints_the_shipped_files(alodial: Alodial) -> None:
    assert alodial("init", "--print", "redis.conf").out == shipped_file("redis.conf")
    assert alodial("init", "--print", "env").out == shipped_file("env.example")


def test_a_value_stands_where_the_template_has_its_setting_even_with_signs_of_patterns() -> None:
    assert filled("# why\n# A_B=1\nA=2\n", {"A_B": r"\1|$", "A": "x"}) == "# why\nA_B=\\1|$\nA=x\n"
    with pytest.raises(KeyError):
        filled("A=1\n", {"B": "2"})


def test_the_line_of_the_readme_takes_the_key_from_the_written_file(alodial: Alodial, folder: Path) -> None:
    assert alodial("init", "--yes", "--dir", str(folder)).code == 0
    line = re.search(r"^KEY=.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert line is not None
    command = ["sh", "-c", line[0] + '; printf %s "$KEY"']
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == dotenv_values(folder / ".env")["ALODIAL_API_KEYS"]
