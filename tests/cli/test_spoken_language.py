"""What commands say to people in the reader's language; JSON is the same in all."""

import ast
import json
import re
from pathlib import Path

import pytest

import alodial.cli as alodial_cli
import alodial_schemas
import alodial_workers
from alodial import CallQueue, errors, i18n
from alodial.campaigns import errors as campaign_errors
from alodial.key_limits import LIMIT_NAMES, read_limits
from alodial.settings import Settings
from alodial.store import mark
from alodial.store.keys import Keys

from .conftest import Alodial
from .message_templates import counted, spoken, templates

LIST = "phone\n901234567\n901234568\n12\n"


@pytest.fixture
def russian(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LANG", "ru_RU.UTF-8")
    environment.delenv("LC_ALL", raising=False)


def test_a_store_of_another_provider_is_refused_in_a_line_and_a_hint(
    alodial: Alodial, environment: pytest.MonkeyPatch, settings: Settings
) -> None:
    with CallQueue(settings=settings) as queue:
        queue.store.redis.hset(Keys().MARK, mapping={"v": mark.SCHEMA, "env": "live", "host": "cld.alovoice.uz"})
    environment.setenv("ALODIAL_PROVIDER_URL", "http://127.0.0.1:8090")
    call = ("call", "two-way", "--from", "712037006", "--to", "994412860")
    error, hint = alodial(*call).err.splitlines()
    assert error.startswith("error: the calls in this store are for real telephones at cld.alovoice.uz")
    assert hint.startswith("hint: give this installation another ALODIAL_NAMESPACE or Redis")
    environment.setenv("ALODIAL_LANGUAGE", "ru")
    error, hint = alodial(*call).err.splitlines()
    assert error.startswith("ошибка: звонки этого хранилища — настоящие телефоны")
    assert hint.startswith("подсказка: дайте этой установке другой ALODIAL_NAMESPACE")


def test_status_and_doctor_are_in_the_language_of_the_terminal(
    russian: None, alodial: Alodial, settings: Settings
) -> None:
    with CallQueue(settings=settings) as queue:
        queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]})
    done = alodial("status")
    assert done.code == 1
    assert "проблема: Ни один воркер не отвечает." in done.out
    assert "подсказка: alodial worker" in done.out
    assert "готовы 1" in done.out
    assert "\nзвонки      готовы 1\nза час      звонки не завершались\nворкеры     " in done.out
    assert "No worker" in alodial("status", "--json").documents[0]["findings"][0]["text"]
    report = alodial("doctor").out
    assert "подсказка: alodial worker" in report
    checks = report.partition("проверки\n")[2].splitlines()
    names = [line for line in checks if re.match(r"  (в порядке|внимание|ошибка|к сведению)", line)]
    assert len({line.index(re.findall(r"[a-z_.]+ ", line)[0]) for line in names}) == 1, report


def test_headings_of_tables_and_of_a_call_are_in_the_language_and_json_is_not(
    russian: None, alodial: Alodial, settings: Settings
) -> None:
    with CallQueue(settings=settings) as queue:
        queue.enqueue({"callfrom": "712037006", "callto": ["994412860"], "extid": 17}, reference="order-17")
    heads = alodial("calls", "list").out.splitlines()[0].split()
    assert heads == ["extid", "состояние", "исход", "попытка", "создан", "кому", "обозначение"]
    call = alodial("calls", "show", "17").out
    assert re.search(r"^  состояние +queued$", call, re.MULTILINE)
    assert re.search(r"^  обозначение +order-17$", call, re.MULTILINE)
    assert "ход звонка\n" in call
    assert alodial("logs", "--call", "17").err == "подходящих строк журнала нет\n"
    assert alodial("keys", "list").out.startswith("имя ")
    assert {"extid", "state", "reference"} <= alodial("calls", "list", "--json").documents[0].keys()


def test_every_heading_of_a_table_is_in_the_catalogue() -> None:
    names: set[str] = set()
    for path in (Path(alodial_cli.__file__).parent).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            heads = node.args[0] if isinstance(node, ast.Call) and ast.unparse(node.func) == "table" else None
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "columns":
                heads = node.value
            if isinstance(heads, ast.Tuple):
                names |= {part.value for part in heads.elts if isinstance(part, ast.Constant)}
    assert {"extid", "answer rate", "last used"} <= names
    known = i18n.catalogue("ru")
    assert {name for name in names if f"heading.{name.replace(' ', '_')}" not in known} <= {"id", "extid"}


def test_status_without_redis_is_the_finding_about_the_store(
    russian: None, alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_REDIS_URL", "redis://me:planted-pass@127.0.0.1:1/0")
    done, shown = alodial("status", "--json"), alodial("status")
    (finding,) = done.documents[0]["findings"]
    assert (finding["code"], finding["severity"]) == ("store_unavailable", "problem")
    assert finding["text"].startswith("Redis at 127.0.0.1:1 did not answer (refused)")
    assert finding["remedy"].startswith("Start Redis, or correct ALODIAL_REDIS_URL.")
    assert "проблема: Redis по адресу 127.0.0.1:1 не ответил (соединение отклонено)" in shown.out
    assert "подсказка: Запустите Redis" in shown.out
    assert done.code == shown.code == 1
    assert "planted-pass" not in done.out + done.err + shown.out + shown.err


def test_the_first_steps_and_common_errors_are_in_the_language_of_the_terminal(
    russian: None, alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    done = alodial("init", "--sandbox", "--dir", "new")
    assert "записано: new/.env (прочесть его можете только вы)" in done.err
    assert "дальше:\n  cd new && alodial dev        # Redis, веб, воркер" in done.err
    assert "# в другом окне: первый звонок" in done.err
    assert alodial("init", "--dir", "new").err.startswith(
        "ошибка: new/.env уже есть; он не изменён\nподсказка: сначала"
    )
    assert alodial("calls", "show", "17").err.startswith("ошибка: звонка 17 нет\n")
    Path("unclear.csv").write_text("where;who\n901234567;901234568\n", "utf-8")
    unclear = alodial("dnc", "import", "unclear.csv").err
    assert unclear.startswith("ошибка: ")
    assert "Which" not in unclear
    Path("short.txt").write_text("phone\n901234567\n90 123 45\n", "utf-8")
    assert re.search(
        r"^3 +в номере не хватает цифр +напишите номер целиком *$", alodial("dnc", "import", "short.txt").out, re.M
    )
    assert json.loads(alodial("calls", "show", "17", "--json").out)["error"]["detail"] == "no call 17"
    environment.setenv("ALODIAL_REDIS_URL", "redis://127.0.0.1:1/0")
    away = alodial("calls", "list").err
    assert (
        "ошибка: Redis по адресу 127.0.0.1:1 не ответил (соединение отклонено); откуда адрес: ALODIAL_REDIS_URL в окружении"
        in away
    )
    assert "подсказка: запустите Redis или исправьте" in away


@pytest.mark.parametrize("language", ["ru", "uz"])
def test_each_sentence_of_commands_is_written_as_the_program_says_it(language: str) -> None:
    folders = [Path(module.__file__ or "").parent for module in (i18n, alodial_workers, alodial_schemas)]
    trees = [ast.parse(path.read_text("utf-8")) for folder in folders for path in folder.rglob("*.py")]
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    source = "\n".join(text for text in texts if isinstance(text, str))
    for key, text in i18n.catalogue("en").items():
        if key.startswith("spoken.typer_"):  # of the library that reads the command line
            assert i18n.translated(text, language) != text
        elif key.startswith("spoken."):
            pieces = [piece for piece in re.split(r"{\w+}|; ", text) if len(piece) > 8 and ".source_" not in key]
            assert [piece for piece in pieces if piece not in source] == [], key
            assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", i18n.catalogue(language)[key]))
            filled = re.sub(r"{(\w+)}", r"<\1>", text)
            expected = re.sub(r"{(\w+)}", r"<\1>", i18n.catalogue(language)[key])
            assert i18n.translated(filled, language) == expected


@pytest.mark.parametrize("language", ["ru", "uz"])
def test_what_is_wrong_with_a_limit_of_a_key_is_translated(language: str) -> None:
    said = set()
    for name in (*LIMIT_NAMES, "colour"):
        with pytest.raises(ValueError, match=name) as refused:
            read_limits({name: "!"})
        said.add(str(refused.value))
    translations = [i18n.translated(text, language) for text in said]
    assert [text for text in translations if re.search(r"\b(write|use|is no|with)\b", text)] == []


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.AlodialError)


PACKAGES = [Path(module.__file__ or "").parent for module in (i18n, alodial_workers)]
SOURCES = [path for folder in PACKAGES for path in folder.rglob("*.py") if "monitor" not in path.parts]

MODULES = (
    *("cli/doctor.py", "cli/callback_check.py", "store/redis_checks.py", "observability/setting_risks.py"),
    *("settings/environment.py", "settings/model.py"),
)
PARTS = {
    ", such as <value>",
    ": safe if Redis dies, not if its host loses power (ALODIAL_DURABILITY)",
    "maxmemory-policy noeviction",
    "<value> set",
    "<value>/callbacks/alovoice/SECRET <value>",
    "Redis <value>",
    "Value error, ",
    "append-only file, not synced while Redis rewrites it (no-appendfsync-on-rewrite yes, fsync <value>): ",
    "appendfsync always",
    "error: <value>",
    "must be a number<value>",
    "must be a whole number<value>",
    "not set",
}
"""Texts that are parts of others, are the same in every language, or are read by nobody."""


@pytest.mark.parametrize("language", ["ru", "uz"])
@pytest.mark.parametrize("module", MODULES)
def test_every_check_of_doctor_and_every_problem_of_a_setting_is_translated(module: str, language: str) -> None:
    texts = [text for text in templates(Path(i18n.__file__).parent / module) if text not in PARTS]
    assert [text for text in texts if i18n.translated(text, language) == text] == []


ERRORS = {
    *(error.__name__ for module in (errors, campaign_errors) for error in vars(module).values() if _is_error(error)),
    *("NoDeadResult", "ProcessEnded", "TooWide"),
} - {
    # Their texts are translated by their code, in locales/problems.*.json.
    "BadFile",
    "InvalidEndpoint",
}
JOINED = {
    "--<value>: <value>",
    "--hours: <value>",
    "--redial: <value>",
    "<value> --cursor <value>",
    "<value> --help",
    "--policy <value>: <value>",
    "<value>; alodial campaign problems <value>",
    "<value>; submit them as a new campaign",
    "no <value> <value>",
}
"""Sentences whose words are the values."""
UNSPOKEN = ("workers/alodial_workers/engine.py", "hopper.py", "dev/bench/scratch_store.py")
"""Modules that raise what only logs and other modules see."""


@pytest.mark.parametrize("language", ["ru", "uz"])
def test_every_error_and_every_message_of_a_command_is_translated(language: str) -> None:
    missing = {
        f"{path.name}: {text}"
        for path in SOURCES
        if not path.as_posix().endswith(UNSPOKEN)
        for text in spoken(path, ERRORS)
        if text not in JOINED and "curl -X" not in text and i18n.translated(text, language) == text
    }
    assert missing == set()


def test_every_noun_that_commands_count_has_its_plurals_in_every_language() -> None:
    nouns = {noun for path in SOURCES if path.parent.name == "cli" for noun in counted(path)}
    assert len(nouns) > 5
    people = {"erased person", "erased people"}
    assert {noun for noun in nouns if i18n.translated(f"2 {noun}s", "ru") == f"2 {noun}s"} <= people
    assert i18n.translated("erased: 2 calls, 5 log lines", "ru") == "стёрто: 2 звонка, 5 строк журнала"
    assert i18n.translated("1,204 erased people", "uz") == "1 204 o‘chirilgan odam"


def test_a_wrong_option_is_explained_in_the_language_of_the_terminal(russian: None, alodial: Alodial) -> None:
    assert alodial("calls", "list", "--since", "soon").err.startswith(
        "ошибка: --since 'soon': напишите, как давно (10m, 2h, 1d), или время"
    )
    assert alodial("calls", "show").err.startswith("ошибка: не хватает значения 'ID|EXTID'")
    assert alodial("calls", "list", "--limit", "many").err.startswith("ошибка: '--limit': нужно целое число")
    assert alodial("status", "--sonn").err.startswith("ошибка: нет такого параметра: --sonn")
    asked = alodial("dead", "drop", "--all")
    assert asked.err == "таких результатов нет\n"
    wrong = alodial("calls", "list", "--since", "soon", "--json")
    assert wrong.documents[0]["error"]["detail"].startswith("--since 'soon': write how long ago")


def test_what_is_wrong_with_a_setting_is_in_the_language_of_the_terminal(
    russian: None, alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_CALLS_PER_SECOND", "many")
    assert alodial("status").err.startswith(
        "ошибка: ALODIAL_CALLS_PER_SECOND: должно быть числом, например 5\nподсказка: исправьте в окружении"
    )


def test_doctor_speaks_the_language_of_the_terminal(russian: None, alodial: Alodial) -> None:
    shown = alodial("doctor").out
    assert "у аккаунта default есть токен" in shown
    assert "ALODIAL_API_KEYS задан" in shown
    assert "has a token" not in shown


def test_a_setting_decides_before_the_terminal(
    russian: None, alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_LANGUAGE", "uz")
    assert "muammo: " in alodial("status").out
    environment.setenv("ALODIAL_LANGUAGE", "en")
    assert "problem: No worker is alive." in alodial("status").out
    environment.setenv("ALODIAL_LANGUAGE", "de")
    assert "ALODIAL_LANGUAGE" in alodial("status").err


def test_a_campaign_speaks_the_language_of_who_submits_it(russian: None, alodial: Alodial, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(LIST)
    done = alodial("campaign", "submit", "people.csv", "--from", "712037006")
    assert done.code == 0
    assert "строки" in done.out
    assert "2 годные, 1 с ошибкой" in done.out
    assert "подсказка: 1 строка с ошибкой; alodial campaign problems" in done.err
    shown = alodial("campaign", "show", "people").out
    assert "попытки" in shown
    assert "ход" in shown
    assert "состояние" in alodial("campaign", "list").out
    refused = alodial("campaign", "show", "nobody")
    assert refused.err.startswith("ошибка: ")
    assert "подсказка: alodial campaign list" in refused.err
    assert "добавлено: 1" in alodial("dnc", "add", "994412899").err
