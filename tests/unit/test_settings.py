"""Settings: from the command line, the environment, a file, or by default; a bad one is one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hogline.environment import InvalidSettings, from_environment
from hogline.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("HOGLINE_")]:
        monkeypatch.delenv(name)


def test_with_nothing_set_it_runs_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = read_settings()
    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 8000)
    assert settings.data.name == "hogline"
    assert settings.public_url == ""
    assert settings.secret_key is None
    assert (settings.log_format, settings.log_level) == ("console", "info")


FROM_ENVIRONMENT = [
    ("HOGLINE_DATA", "/srv/hogline", "data", Path("/srv/hogline")),
    ("HOGLINE_LISTEN", "0.0.0.0:9000", "listen", "0.0.0.0:9000"),
    ("HOGLINE_PUBLIC_URL", "https://in.example.org/hog/", "public_url", "https://in.example.org/hog"),
    ("HOGLINE_LOG_FORMAT", "json", "log_format", "json"),
    ("HOGLINE_LOG_LEVEL", "debug", "log_level", "debug"),
]


@pytest.mark.parametrize(("variable", "text", "name", "value"), FROM_ENVIRONMENT)
def test_every_setting_is_an_environment_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, name: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(read_settings(), name) == value


@pytest.mark.parametrize(("variable", "text", "name", "value"), FROM_ENVIRONMENT)
def test_every_setting_can_stand_in_a_file(
    *, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, text: str, name: str, value: object
) -> None:
    (tmp_path / "value").write_text(f"{text}\n", "utf-8")
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "value"))
    assert getattr(read_settings(), name) == value


def test_the_journal_can_begin_in_kafka(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read_settings().topic is None
    monkeypatch.setenv("HOGLINE_JOURNAL", "kafka://b1:9092,b2:9092/hogline")
    with pytest.raises(InvalidSettings, match="HOGLINE_JOURNAL needs HOGLINE_STORE"):
        read_settings()
    monkeypatch.setenv("HOGLINE_STORE", "postgresql://hogline@db/hogline")
    monkeypatch.setenv("HOGLINE_SECRET_KEY", "a key")
    topic = read_settings().topic
    assert topic is not None
    assert topic == ("kafka://b1:9092,b2:9092/hogline", "b1:9092,b2:9092", "hogline", {})
    file = tmp_path / "kafka.properties"
    monkeypatch.setenv("HOGLINE_KAFKA", str(file))
    with pytest.raises(InvalidSettings, match="HOGLINE_KAFKA cannot be read"):
        read_settings()
    file.write_text("security.protocol=SASL_SSL\n# of our own\n")
    topic = read_settings().topic
    assert topic is not None
    assert topic.settings == {"security.protocol": "SASL_SSL"}
    file.write_text("acks=0\n")
    with pytest.raises(InvalidSettings, match="Hogline chooses acks itself"):
        read_settings()
    for wrong in (
        "kafka://b1:9092",
        "kafka://b1:9092/",
        "b1:9092/hogline",
        "kafka://b1 b2/hogline",
        "kafka://u:pw@b1:9092/hogline",
    ):
        monkeypatch.setenv("HOGLINE_JOURNAL", wrong)
        with pytest.raises(InvalidSettings, match="HOGLINE_JOURNAL must be the address of a Kafka topic"):
            read_settings()


def test_the_key_can_come_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of the file\n")
    monkeypatch.setenv("HOGLINE_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert the_key(read_settings()) == "of the file"
    monkeypatch.setenv("HOGLINE_SECRET_KEY", "of the environment")
    assert the_key(read_settings()) == "of the environment"


def the_key(settings: Settings) -> str | None:
    return settings.secret_key.get_secret_value() if settings.secret_key else None


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOGLINE_DATA", "/srv/hogline")
    assert read_settings(data=tmp_path).data == tmp_path
    assert read_settings(data=None).data == Path("/srv/hogline")


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("localhost:65535", "localhost", 65_535),
        ("[::1]:8000", "::1", 8_000),
        ("example.org:80", "example.org", 80),
    ],
)
def test_an_address_has_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    settings = read_settings(listen=listen)
    assert (settings.listen_host, settings.listen_port) == (host, port)


BAD = [
    *(
        ("HOGLINE_LISTEN", text, r"must be host:port, for example 127\.0\.0\.1:8000\.")
        for text in ["8000", ":8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "a:-1"]
    ),
    *(
        ("HOGLINE_PUBLIC_URL", text, r"must begin with https:// or http://\.")
        for text in ["example.org", "ftp://example.org", "//example.org"]
    ),
    ("HOGLINE_LOG_FORMAT", "xml", r"input should be 'console' or 'json'\."),
    ("HOGLINE_LOG_LEVEL", "loud", r"input should be 'debug', 'info', 'warning' or 'error'\."),
]


@pytest.mark.parametrize(("variable", "text", "sentence"), BAD)
def test_a_bad_value_is_one_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InvalidSettings, match=f"^{variable} {sentence}$"):
        read_settings()


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "no UTF-8"])
def test_a_file_that_cannot_be_read_is_one_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("HOGLINE_SECRET_KEY_FILE", str(file))
    with pytest.raises(InvalidSettings, match=r"^HOGLINE_SECRET_KEY_FILE names a file that cannot be read\.$"):
        read_settings()


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOGLINE_SECRET_KEY", "canary")
    settings = read_settings()
    assert the_key(settings) == "canary"
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_no_bad_value_is_repeated_as_it_may_be_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN", "PUBLIC_URL", "LOG_LEVEL", "LOG_FORMAT"):
        monkeypatch.setenv(f"HOGLINE_{name}", "canary")
        with pytest.raises(InvalidSettings) as raised:
            read_settings()
        assert "canary" not in str(raised.value)
        monkeypatch.delenv(f"HOGLINE_{name}")


def test_settings_do_not_change() -> None:
    settings = read_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.listen = "127.0.0.1:1"


def test_variables_that_are_no_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOGLINE_ODD", "1")
    read_settings()


def test_a_value_that_is_no_setting_comes_from_the_environment_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert from_environment("api_key") is None
    (tmp_path / "key").write_text("of the file\n")
    monkeypatch.setenv("HOGLINE_API_KEY_FILE", str(tmp_path / "key"))
    assert from_environment("api_key") == "of the file"
    monkeypatch.setenv("HOGLINE_API_KEY", "of the environment")
    assert from_environment("api_key") == "of the environment"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = read_settings()
    for name in ("DATA", "LISTEN", "LOG_LEVEL"):
        monkeypatch.setenv(f"HOGLINE_{name}", "")
    assert read_settings() == unset


def test_trusted_proxies_are_addresses_or_networks() -> None:
    assert read_settings(trusted_proxies="127.0.0.1, 10.0.0.0/8").proxies.trusts("10.9.8.7")
    assert not read_settings().proxies.trusts("127.0.0.1")
    with pytest.raises(InvalidSettings, match="must be IP addresses or networks"):
        read_settings(trusted_proxies="proxy.example.org")
