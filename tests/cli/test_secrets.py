"""No command and no function that takes an address shows a password, however the address was written."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runengine.cli import main
from runengine.core import PRACTICAL
from runengine.dialects.kotlin_sql import is_like_address, masked
from runengine.errors import RunEngineError, StoreUnavailable
from runengine.stores.opening import migrate_store, open_async_store, open_store

SECRET = "s3cr3t"
HOST = "127.0.0.1:1"

_words = st.sampled_from(
    ["password", "passwd", "sslpassword", "PassWord", "PASSWD", "SslPassword", "pass%77ord", "pwd"]
)
_passwords = st.sampled_from(
    [SECRET, f"{SECRET}%40", f"a%20{SECRET}", f"a:{SECRET}", f"a/{SECRET}", f"a@{SECRET}", f"a#{SECRET}", f"a?{SECRET}"]
)
_schemes = st.sampled_from(
    [
        "",
        "postgresql://",
        "postgres://",
        "POSTGRESQL://",
        "postgresql:/",
        "postgresql:///",
        "postgresql:",
        "postgresql//",
        "mysql://",
        "postgresql+psycopg://",
        "sqlite://",
        " postgresql://",
        "//",
        "'postgresql://",
    ]
)
_users = st.builds(
    "{}u{}{}{}{}/x".format,
    _schemes,
    st.sampled_from([":", "%3A"]),
    _passwords,
    st.sampled_from(["@", "%40"]),
    st.just(HOST),
)
_queries = st.builds(
    "{}{}/x?{}{}{}={}".format,
    _schemes, st.just(HOST), st.sampled_from(["", "sslmode=disable&", "&"]), st.sampled_from(["", "%20"]), _words,
    st.sampled_from([SECRET, f"{SECRET}&sslmode=disable", f"a%26{SECRET}", f"a@{SECRET}"]),
)  # fmt: skip
_pairs = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "host=127.0.0.1 port=1 ", "user=u ", "host=127.0.0.1\n", "postgresql://127.0.0.1:1/x "]),
    _words, st.sampled_from(["=", " = ", "%3D"]),
    st.sampled_from([SECRET, f"'a {SECRET}'", f"'a\\' {SECRET}'", f'"a {SECRET}"', f"'{SECRET}"]),
    st.sampled_from(["", " dbname=x", " sslmode=disable host=127.0.0.1 port=1"]),
)  # fmt: skip
_addresses = st.one_of(_users, _queries, _pairs)


def _said(do: Callable[[], object]) -> str:
    """All that is printed or raised."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            do()
        except RunEngineError as error:
            print(error, repr(error))
        except SystemExit:
            pass
    return out.getvalue()


@settings(max_examples=1000)
@given(_addresses)
def test_a_masked_address_holds_no_secret(address: str) -> None:
    """Wherever in an address a secret stands, and however it is written, it is not shown."""
    assert SECRET not in masked(address)
    assert is_like_address(address)


@pytest.mark.parametrize(
    "text",
    [
        "runs.jsonl",
        "/tmp/a b/runs.jsonl",
        "-",
        "memory:",
        "sqlite:///runs.db",
        "sqlite:////tmp/a@b:c.db",
        "100%.jsonl",
        "C:\\runs\\a.jsonl",
        "postgresql://me@h:5432/x",
        "postgresql://postgres:@/x?host=/tmp",
        "run_1",
        "postgresql://me@h1:1,[::1]:2/x?sslmode=require&options=-csearch_path%3Dx",
        "host=h dbname=x",
        "recordings/*",
    ],
)
def test_what_holds_no_secret_is_shown_as_it_is(text: str) -> None:
    """A path, and an address without a password (an empty one hides nothing), stay as they are."""
    assert masked(text) == text


@settings(max_examples=40)
@given(_addresses)
@example("host=127.0.0.1 password=s3cr3t dbname=x")
@example("u:s3cr3t@127.0.0.1/x")
@example("postgresql:/u:s3cr3t@h/x")
@example("postgresql:///u:s3cr3t@h/x")
def test_no_output_holds_a_secret(address: str) -> None:
    """Functions that open a store, and commands that take an address, refuse without it."""
    said = _said(lambda: open_store(address))
    said += _said(lambda: asyncio.run(open_async_store(address)))
    said += _said(lambda: migrate_store(address, PRACTICAL))
    for command in (
        ["runs", "list", address],
        ["runs", "cancel", address, "run_1"],
        ["runs", "modify", "sqlite:///nowhere/a.db", "run_1", "--json", address],
        ["runs", "list", "--store", address],
        ["runs", address],
        [address],
        ["store", "init", address],
        ["store", "doctor", address],
        ["store", "migrate", address],
        ["store", "import", address, "-"],
        ["store", "schema", address],
        ["check", address],
        ["check", "--reader", "kotlin-sql", address],
        ["check", "--reader", "store", address],
        ["check", "--reader", "files", address],
        ["check", f"--format={address}", "-"],
        ["demo", "--store", address],
        ["convert", "--explain", address],
        ["convert", "--to", "native", address, "-"],
        ["convert", "--to", "native", "--from", "kotlin-sql", address, "-"],
        ["convert", "--to", "native", "/nowhere/in", address],
    ):
        one = _said(lambda command=command: main(command))  # type: ignore[misc]
        assert one, command
        assert SECRET not in one, (command, one)
    assert SECRET not in said


@pytest.mark.parametrize("address", ["host=h password=s3cr3t", "u:s3cr3t@h/x", "postgresql:/u@h/x"])
def test_the_right_form_is_said(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no address is answered with what one looks like, by `check` too."""
    with pytest.raises(StoreUnavailable, match="postgresql://user@host/db"):
        open_store(address)
    for command in (["runs", "list", address], ["check", address], ["convert", "--explain", address]):
        assert main(command) == 2
        assert "postgresql://user@host/db" in capsys.readouterr().err


def test_files_named_like_addresses_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a file was expected and an address given, the message about the file holds no secret."""
    url = f"sqlite:///{tmp_path}/runs.db"
    assert main(["store", "init", url]) == 0
    address = f"postgresql://u:{quote(SECRET)}@nowhere/x"
    for command in (["import", url, address], ["export", url, "-o", address]):
        assert main(["store", *command]) == 2
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    assert err.count("postgresql://u:***@nowhere/x: cannot be ") == 2
