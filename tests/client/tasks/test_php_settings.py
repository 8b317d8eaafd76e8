"""Settings are read out of PHP as PHP would have them, or are said not to be understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_client.tasks.php_settings import NotUnderstood, Settings, Value


def read(source: str, environment: dict[str, str] | None = None) -> Settings:
    file = Path("/tmp/settings.php")
    settings = Settings(environment or {})
    from thaniya_client.tasks.php_settings import _Reader
    from thaniya_client.tasks.php_tokens import tokens_of

    _Reader(settings, file, tokens_of(f"<?php\n{source}")).read()
    return settings


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (r"'it\'s \\ a \n'", r"it's \ a \n"),
        (r'"tab\t \"quoted\" \x41\101\u{e9} \$no"', 'tab\t "quoted" AAé $no'),
        ("'a' . \"b\" . 'c'", "abc"),
        ("__DIR__ . '/data'", "/tmp/data"),
        ("dirname(__DIR__) . 'x'", "/x"),
        ("3306", 3306),
        ("-1", -1),
        ("TRUE", True),
        ("null", None),
        ("[1, 'a' => ['b' => false], 2,]", {"0": 1, "a": {"b": False}, "2": 2}),
        ("array('x' => array('y' => 'z'))", {"x": {"y": "z"}}),
        ("('p')", "p"),
        ('"$known/images"', "here/images"),
        ('"{$known}images"', "hereimages"),
        ("getenv('SET')", "from outside"),
        ("$_ENV['SET'] ?? 'default'", "from outside"),
        ("getenv('SET') ?: 'default'", "from outside"),
        ("$array['k']", "v"),
        ("<<<'X'\ntext $raw\nX", "text $raw"),
        ("'; $x = 1; // no comment'", "; $x = 1; // no comment"),
    ],
)
def test_values(expression: str, value: Value) -> None:
    source = f"$known = 'here'; $array = ['k' => 'v']; $value = {expression}; $after = 'read on';"
    settings = read(source, {"SET": "from outside"})
    assert settings.variables["value"] == value
    assert settings.variables["after"] == "read on"


@pytest.mark.parametrize(
    "expression",
    [
        "getenv('UNSET') ?: 'default'",
        "file_get_contents('/run/secrets/x')",
        "$unknown",
        '"$unknown"',
        '"{$object->name}"',
        "UNKNOWN_CONSTANT",
        "$a ? 'b' : 'c'",
        "Helper::value('x')",
        "'a' . secret()",
        "function () { return 'x'; }",
        "trim('x ')",
    ],
)
def test_what_only_php_could_tell_is_said_not_to_be_understood(expression: str) -> None:
    settings = read(f"\n$value = {expression};\n$after = 'read on';")
    value = settings.variables["value"]
    assert isinstance(value, NotUnderstood)
    assert value.where == "settings.php, line 3"
    assert settings.variables["after"] == "read on"


def test_texts_are_not_shown_since_one_may_be_a_password() -> None:
    value = read("$value = decrypt('very secret', \"secret $x\");").variables["value"]
    assert isinstance(value, NotUnderstood)
    assert "decrypt(" in value.text
    assert "secret" not in value.text


def test_comments_and_text_around_are_passed_over() -> None:
    settings = read("# $a = 1;\n// $b = 2; ?> <b>$c = 3;</b> <?php /* $d = 4; */ $e = 5;")
    assert settings.variables == {"e": 5}


@pytest.mark.parametrize(
    "source",
    [
        "if ($x) { $name = 'other'; }",
        "if ($x) $name = 'other';",
        "if ($x): $name = 'other'; endif;",
        "if ($x) {} else { $name = 'other'; }",
        "if ($x) { if ($y) { f(); } $name = 'other'; }",
        "function f() { $name = 'other'; }",
        "$f = function () { $name = 'other'; };",
        "foreach ([1] as $x) $name = 'other';",
    ],
)
def test_what_is_set_under_a_condition_is_not_taken(source: str) -> None:
    settings = read(f"$name = 'always'; {source} $after = 'read on';")
    assert settings.variables["name"] == "always"
    assert settings.variables["after"] == "read on"


def test_what_is_set_under_a_condition_is_told() -> None:
    settings = read("if ($x) {\n  define('DB_NAME', 'other');\n  $wiki = 1;\n}\ndefine('DB_NAME', 'shop');")
    assert settings.constants == {"DB_NAME": "shop"}
    assert settings.doubtful == {"DB_NAME": ["settings.php, line 3"], "wiki": ["settings.php, line 4"]}


def test_a_constant_keeps_its_first_value_and_a_variable_its_last() -> None:
    settings = read("define('A', 'first'); define('A', 'second'); $b = 'first'; $b = 'second';")
    assert (settings.constants["A"], settings.variables["b"]) == ("first", "second")


def test_arrays_are_changed_in_depth() -> None:
    settings = read(
        "$GLOBALS['CONF']['DB']['host'] = 'db'; $GLOBALS['CONF']['DB']['port'] = 3307;"
        "$GLOBALS['CONF'] = array_replace_recursive($GLOBALS['CONF'], ['DB' => ['host' => 'other']]);"
    )
    assert settings.variables["CONF"] == {"DB": {"host": "other", "port": 3307}}


def test_a_returned_array_is_kept() -> None:
    assert read("return ['DB' => ['user' => 'typo3']];").returned == {"DB": {"user": "typo3"}}


@given(st.text(alphabet=st.sampled_from("'\"\\$nx{}[]()a =;/*#\n"), max_size=60))
def test_any_text_written_as_php_writes_it_comes_back(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    settings = read(f"define('X', '{escaped}'); $y = 1;")
    assert settings.constants["X"] == text
    assert settings.variables["y"] == 1


@given(st.text(alphabet=st.sampled_from("'\"\\$ax{}[]()=;,.?:/*#\n<>if "), max_size=80))
def test_no_source_makes_it_fail_or_run_on(source: str) -> None:
    read(source)
