"""Other documents beside recordings, and files that are of another form than the reader that was chosen."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.cli import main
from runengine.errors import TraceUnreadable
from runengine.validation.observations import Item, Observation, Passed, Unreadable
from runengine.validation.readers import FILE_READERS, expand, items_in, json_lines, others
from runengine.validation.readers.reader import Head
from tests.validation.checking import as_lines, clean
from tests.validation.readers.taped import FORMS, LIFE

OTHERS = {
    "package.json": json.dumps({"name": "left-pad", "dependencies": {"a": "^1"}}, indent=2),
    "lock.json": '{"lockfileVersion": 3}',
    "numbers.json": "[1,2,3]",
    "pairs.json": "[[1, 2],\n[3, 4]]",
    "objects.json": '[{"a": 1}]',
    "pretty.json": json.dumps([{"a": 1}, 2, None, "three"], indent=4),
    "words.json": '"some words"',
    "blank.json": '{\n\n"a": [\n1,\n{"format": "b"}]}',
    "empty.json": "{}",
}
BROKEN: dict[str, Any] = {
    "status": {"status": "queued"},
    "id": {"id": "run_1"},
    "camel": {"threadId": "thread_1"},
    "stamp": [{"createdAt": 1}, {"a": 1}],
    "deep": {"answers": [{"a": [{"run": {"assistant_id": None}}]}]},
    "error": {"error": "no"},
    "named": {"kind": "thread.run"},
    "escaped": {"st\N{LATIN SMALL LETTER A}tus": 1},
}


def found_in(folder: Path) -> list[Item]:
    """Items of all files below a folder."""
    return [item for path in expand([str(folder)]) for item in items_in(path)]


class TestFound:
    """Documents that nobody named."""

    @pytest.mark.parametrize("name", OTHERS)
    @pytest.mark.parametrize("packed", [False, True])
    def test_passed_over(self, name: str, packed: bool, tmp_path: Path) -> None:
        """A document without a sign of a run is passed over in a folder and by a glob, packed too; named, it is not."""
        data = OTHERS[name].encode()
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
        assert found_in(tmp_path) == [Passed(line=1, what="document")]
        assert [item for p in expand([f"{tmp_path}/*"]) for item in items_in(p)] == [Passed(line=1, what="document")]
        named = [item for p in expand([str(path)]) for item in items_in(p)]
        assert named
        assert {type(item) for item in named} == {Unreadable}

    @pytest.mark.parametrize("name", BROKEN)
    @pytest.mark.parametrize("indent", [None, 2])
    def test_signs(self, name: str, indent: int | None, tmp_path: Path) -> None:
        """Whatever has a sign of a run, at any depth, is said to be unreadable."""
        text = json.dumps(BROKEN[name], indent=indent).replace(
            "status", "st\\u0061tus" if name == "escaped" else "status"
        )
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        assert any(isinstance(item, Unreadable) for item in found_in(tmp_path))

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.jsonl", '{"a": 1}\n'),
            ("a.json", '{"a": 1}\n{"a": 2}\n'),
            ("a.json", '{"a": 1'),
            ("a.json", '{"a": 1}}'),
            ("a.json", '{"a": "' + "\\ud800" + '"}'),
            ("a.ndjson", "[1, 2]"),
        ],
    )
    def test_no_whole_document(self, name: str, text: str, tmp_path: Path) -> None:
        """JSON Lines, and what is broken, are read as ever."""
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert any(isinstance(item, Unreadable) for item in found_in(tmp_path))

    def test_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A document that is too large to be looked through is taken for a recording; signs are seen across pieces."""
        (tmp_path / "a.json").write_text(json.dumps(["x" * 90] * 9), encoding="utf-8")
        monkeypatch.setattr(others, "OTHER_BYTES_MAX", 100)
        assert any(isinstance(item, Unreadable) for item in found_in(tmp_path))
        monkeypatch.undo()
        assert found_in(tmp_path) == [Passed(line=1, what="document")]

    @given(st.integers(1, 40), st.integers(0, 30))
    def test_signs_across_pieces(self, chunk: int, before: int) -> None:
        """A sign is seen wherever the pieces of a file end."""
        head = Head(name="a.json", start=b"{")
        text = b'{"%s": {"assistant_id" : 1}}' % (b"x" * before)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(others, "_CHUNK", chunk)
            assert not others.is_other_document(head, FILE_READERS["json"], io.BytesIO(text))

    def test_recordings_are_read(self, tmp_path: Path) -> None:
        """Recordings beside such documents are read as they are alone."""
        (tmp_path / "package.json").write_text("{}", encoding="utf-8")
        (tmp_path / "runs.json").write_text(json.dumps([clean("queued")]), encoding="utf-8")
        for name, form in FORMS.items():
            (tmp_path / name).write_bytes(form(LIFE))
        items = found_in(tmp_path)
        assert [item for item in items if isinstance(item, (Passed, Unreadable))] == [Passed(line=1, what="document")]
        assert sum(isinstance(item, Observation) for item in items) == 1 + 5 * len(FORMS)

    def test_check(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`check` of a folder counts it; a folder of nothing else was not checked."""
        (tmp_path / "package.json").write_text("{}", encoding="utf-8")
        assert main(["check", str(tmp_path)]) == 2
        assert "no run was found" in "".join(capsys.readouterr())
        (tmp_path / "a.jsonl").write_bytes(as_lines([clean("queued")]))
        assert main(["check", str(tmp_path)]) == 0
        assert "1 object" in capsys.readouterr().out


class TestBraces:
    """YAML that begins with a brace or a bracket."""

    @pytest.mark.parametrize("text", ["{{ helm }}: x\n", "{{- if .x }}\na: 1\n", "{a: 1}\n", "[a, b]\n", "[{a: 1}]\n"])
    def test_no_json(self, text: str, tmp_path: Path) -> None:
        """It is passed over, or said to be no YAML; never to be no JSON."""
        (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
        (item,) = items_in(str(tmp_path / "a.yaml"))
        assert item == Passed(line=1, what="document") or "not YAML" in str(item)

    def test_json(self, tmp_path: Path) -> None:
        """JSON by such a name is read as JSON, whether it is a cassette or not."""
        for number, data in enumerate((FORMS["vcrpy.json"](LIFE), as_lines([clean("queued")]))):
            (tmp_path / f"{number}.yaml").write_bytes(data)
        assert sum(isinstance(item, Observation) for item in found_in(tmp_path)) == 6


class TestChosen:
    """`--reader` with a file of another form."""

    @pytest.mark.parametrize("chosen", FILE_READERS)
    @pytest.mark.parametrize("name", ["rows.jsonl", "array.json", "stream.sse", *FORMS])
    def test_another_form(self, chosen: str, name: str, tmp_path: Path) -> None:
        """A file that the chosen reader reads nothing of is said to be so, once, with what it looks like."""
        path = tmp_path / ("a" if name == "stream.sse" else f"a{Path(name).suffix}")
        path.write_bytes(recorded(name))
        found = [item for item in items_in(str(path), reader=chosen) if not isinstance(item, Passed)]
        if any(isinstance(item, Observation) for item in found):
            return
        (item,) = found
        assert isinstance(item, Unreadable)
        (told,) = [reader for reader in FILE_READERS.values() if f"looks like {reader.name};" in item.problem]
        assert any(isinstance(other, Observation) for other in items_in(str(path), reader=told.name))

    @pytest.mark.parametrize("name", ["rows.jsonl", "array.json", "stream.sse", *FORMS])
    def test_the_same_form(self, name: str, tmp_path: Path) -> None:
        """The reader that a file calls for reads the same when it is chosen."""
        path = tmp_path / f"a{Path(name).suffix}"
        path.write_bytes(recorded(name))
        wanted = list(items_in(str(path)))
        assert any(list(items_in(str(path), reader=reader)) == wanted for reader in FILE_READERS)
        assert any(isinstance(item, Observation) for item in wanted)

    def test_one_line(self, tmp_path: Path) -> None:
        """A value in one line is read by both readers of JSON, and what is wrong with it is said."""
        path = tmp_path / "a.json"
        path.write_text('[{"a": 1}]', encoding="utf-8")
        for reader in (FILE_READERS["json"], json_lines.READER):
            (item,) = items_in(str(path), reader=reader.name)
            assert "no run object" in str(item)

    def test_a_database(self, tmp_path: Path) -> None:
        """A SQLite file is said to be one, whichever reader of files was chosen."""
        (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + bytes(99))
        for reader in FILE_READERS:
            (item,) = items_in(str(tmp_path / "a.db"), reader=reader)
            assert f"give it as sqlite:///{tmp_path}" in str(item)

    @pytest.mark.parametrize("reader", ["json", "vcr"])
    def test_address_of_a_database(self, reader: str) -> None:
        """The address of a database is refused by a reader of files, without its password."""
        with pytest.raises(TraceUnreadable, match=f"--reader {reader} reads files, and this is the address") as caught:
            list(items_in("mysql://me:secret@nowhere/runs", reader=reader))
        assert "secret" not in str(caught.value)


def recorded(name: str) -> bytes:
    """A recording in one form."""
    if name in FORMS:
        return FORMS[name](LIFE)
    made = [clean("queued"), clean("in_progress"), clean("completed")]
    if name == "stream.sse":
        return b"".join(
            b"event: thread.run.%s\ndata: %s\n\n" % (r["status"].encode(), json.dumps(r).encode()) for r in made
        )
    return as_lines(made) if name == "rows.jsonl" else json.dumps(made, indent=1).encode()
