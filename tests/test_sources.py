"""Sources: every format gives the same rows, every error names its place, memory stays constant."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgmm.sources import Batch, Source, SourceError, open_source

NAMES = ("x", "y")
ROWS = np.array([[1.0, -2.0], [3.0, 4.5], [1e-300, 0.1], [7.0, 1e300], [0.0, 6.0]])


def write_delimited(path: Path, rows: np.ndarray, delimiter: str = ",") -> None:
    lines = [delimiter.join(NAMES), *(delimiter.join(map(repr, row)) for row in rows.tolist())]
    path.write_text("\n".join(lines) + "\n")


def write_ndjson(path: Path, rows: np.ndarray) -> None:
    path.write_text("".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows.tolist()))


def write_gzip(write):
    def write_compressed(path: Path, rows: np.ndarray) -> None:
        write(path, rows)
        path.write_bytes(gzip.compress(path.read_bytes()))

    return write_compressed


def table_of(rows: np.ndarray) -> pa.Table:
    return pa.table({name: np.ascontiguousarray(rows[:, index]) for index, name in enumerate(NAMES)})


def write_parquet(path: Path, rows: np.ndarray) -> None:
    pq.write_table(table_of(rows), path, row_group_size=2)


def write_ipc_file(path: Path, rows: np.ndarray) -> None:
    table = table_of(rows)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_ipc_stream(path: Path, rows: np.ndarray) -> None:
    table = table_of(rows)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_npy(path: Path, rows: np.ndarray) -> None:
    np.save(path, rows)


WRITERS = {
    "a.csv": write_delimited,
    "a.CSV": write_delimited,
    "a.tsv": lambda path, rows: write_delimited(path, rows, "\t"),
    "a.ndjson": write_ndjson,
    "a.jsonl": write_ndjson,
    "a.csv.gz": write_gzip(write_delimited),
    "a.ndjson.gz": write_gzip(write_ndjson),
    "a.parquet": write_parquet,
    "a.arrow": write_ipc_file,
    "a.feather": write_ipc_file,
    "a.ipc": write_ipc_stream,
    "a.npy": write_npy,
}
BINARY = ("a.parquet", "a.arrow", "a.ipc")


def text(folder: Path, content: str | bytes, name: str = "a.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def read(*paths: str, **options) -> np.ndarray:
    return np.concatenate([batch.rows for batch in open_source(paths, **options).batches()])


def message(*paths: str, **options) -> str:
    """Return the error of reading, less the folder before the file's name."""
    with pytest.raises(SourceError) as caught:
        read(*paths, **options)
    assert str(caught.value).startswith((str(paths[-1]), "<stdin>", "`"))
    return str(caught.value).replace(os.path.dirname(paths[-1]) + os.sep, "")


def feed(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


# Every format


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_rows(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, ROWS)
    source = open_source([str(path)], batch_rows=3)
    assert isinstance(source, Source)
    assert source.names == (("x0", "x1") if name == "a.npy" else NAMES)
    assert source.n_features == 2
    assert source.rereadable
    assert source.total_bytes == path.stat().st_size
    for _ in range(2):
        batches = list(source.batches())
        assert [len(batch.rows) for batch in batches] == [3, 2]
        np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), ROWS)
        end_mark = 8 if name == "a.ipc" else 0
        assert batches[-1].bytes_read == source.total_bytes - end_mark
        for batch in batches:
            assert isinstance(batch, Batch)
            assert batch.rows.dtype == np.float64
            assert batch.rows.flags.c_contiguous
            assert batch.rows.flags.writeable


@pytest.mark.parametrize("name", WRITERS)
def test_columns_select_and_order(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, ROWS)
    columns = ["x1", "x0"] if name == "a.npy" else ["y", "x"]
    np.testing.assert_array_equal(read(str(path), columns=columns), ROWS[:, ::-1])
    np.testing.assert_array_equal(read(str(path), columns=columns[:1]), ROWS[:, 1:])


@pytest.mark.parametrize("name", WRITERS)
def test_flush_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, ROWS)
    batches = list(open_source([str(path)], batch_rows=2).batches(flush=True))
    assert max(len(batch.rows) for batch in batches) <= 2
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), ROWS)


@pytest.mark.parametrize("name", WRITERS)
def test_no_rows_is_an_error(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, ROWS[:0])
    assert message(str(path)) == f"{name}: has no rows"


@pytest.mark.parametrize(
    "name", [name for name in WRITERS if name not in ("a.npy", "a.ndjson.gz", "a.csv.gz")]
)
def test_missing_column_lists_those_that_exist(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, ROWS)
    assert message(str(path), columns=["x", "z"]) == f"{name}: has no column 'z'; it has 'x', 'y'"


@pytest.mark.parametrize("name", WRITERS)
def test_error_does_not_depend_on_flush(tmp_path, name):
    path = tmp_path / name
    with np.errstate(invalid="ignore"):
        WRITERS[name](path, np.where(ROWS == 4.5, np.inf, ROWS))
    messages = []
    for flush in (False, True):
        with pytest.raises(SourceError, match="must") as caught:
            list(open_source([str(path)]).batches(flush=flush))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


# Law: the rows do not depend on how they are cut


@settings(max_examples=60, deadline=None)
@given(
    n_rows=st.integers(1, 60),
    batch_rows=st.integers(1, 70),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    names=st.lists(st.sampled_from(sorted(WRITERS)), min_size=5, max_size=5),
)
def test_batches_do_not_depend_on_the_cut_into_files(tmp_path_factory, n_rows, batch_rows, cuts, names):
    folder = tmp_path_factory.mktemp("cut")
    rows = np.random.default_rng(n_rows).normal(size=(n_rows, 2))
    parts = [part for part in np.split(rows, sorted(min(cut, n_rows) for cut in cuts)) if len(part)]
    paths = []
    for index, (part, name) in enumerate(zip(parts, names, strict=False)):
        name = "a.csv" if name == "a.npy" else name
        paths.append(folder / f"{index}{name}")
        WRITERS[name](paths[-1], part)
    batches = list(open_source([str(path) for path in paths], batch_rows=batch_rows).batches())
    assert {len(batch.rows) for batch in batches[:-1]} <= {batch_rows}
    assert 1 <= len(batches[-1].rows) <= batch_rows
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), rows)
    positions = [batch.bytes_read for batch in batches]
    assert positions == sorted(positions)
    assert 0 <= sum(path.stat().st_size for path in paths) - positions[-1] <= 8


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(st.sampled_from(["1,2", " 3 ,4e1\r", "", "\r", "  ", '"5",6']), min_size=1, max_size=30),
    block_bytes=st.integers(1, 40),
    ends=st.booleans(),
)
def test_rows_and_line_numbers_do_not_depend_on_blocks(tmp_path_factory, lines, block_bytes, ends):
    content = "\n".join(["x,y", *lines, "7,8", "bad,9"]) + "\n" * ends
    path = text(tmp_path_factory.mktemp("blocks"), content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamgmm.sources.lines._BLOCK_BYTES", block_bytes)
        assert f"a.csv:{len(lines) + 3}: column 'x'" in message(path)
        Path(path).write_text(content.replace("bad", "9"))
        values = {"1,2": [1, 2], " 3 ,4e1\r": [3, 40], '"5",6': [5, 6]}
        expected = [values[line] for line in lines if line in values]
        np.testing.assert_array_equal(read(path), [*expected, [7, 8], [9, 9]])
        Path(path).write_text(content.replace("bad", "inf"))
        assert message(path) == f"a.csv:{len(lines) + 3}: column 'x' is inf; every value must be finite"


# Headers


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("1,2\n3,4\n", ("x0", "x1")),
        ("+1,-2e-3\n3,4\n", ("x0", "x1")),
        ("a,b\n3,4\n", ("a", "b")),
        ("a,1\n3,4\n", ("a", "1")),
        (" a , b\r\n3,4\r\n", ("a", "b")),
        ('"a,b",c\n3,4\n', ("a,b", "c")),
        ("\ufeffa,b\n3,4\n", ("a", "b")),
        ("\ufeff3,4\n", ("x0", "x1")),
        ("\n \r\n\na,b\n3,4\n", ("a", "b")),
        ("größe,b\n3,4", ("größe", "b")),
        ("x\n3\n", ("x",)),
    ],
)
def test_header(tmp_path, content, names):
    path = text(tmp_path, content)
    assert open_source([path]).names == names
    assert read(path)[-1].tolist() == [3.0, 4.0][: len(names)]


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", ""])
def test_first_line_with_a_value_that_is_not_finite_is_a_row(tmp_path, value):
    got = float(value) if value else "missing"
    path = text(tmp_path, f"1,{value}\n3,4\n")
    assert open_source([path]).names == ("x0", "x1")
    assert message(path) == f"a.csv:1: column 'x1' is {got}; every value must be finite"


def test_generated_names_select(tmp_path):
    path = text(tmp_path, "1,a,3\n4,b,6\n".replace("a", "0"))
    np.testing.assert_array_equal(read(path, columns=["x2", "x0"]), [[3, 1], [6, 4]])


def test_names_that_are_not_wanted_may_repeat(tmp_path):
    path = text(tmp_path, "x,id,id\n1,a,b\n2,c,d\n")
    np.testing.assert_array_equal(read(path, columns=["x"]), [[1], [2]])
    assert message(path, columns=["id"]) == "a.csv: a wanted name must be unique, got 2 'id'"
    assert message(path) == "a.csv: a wanted name must be unique, got 2 'id'"


def test_many_names_are_cut_short(tmp_path):
    path = text(tmp_path, ",".join(f"c{index}" for index in range(25)) + "\n")
    assert message(path, columns=["z"]).endswith("'c18', 'c19' and 5 more")


# Rows of text


def test_integers_then_decimals(tmp_path):
    lines = [*map(str, range(200_000)), "0.5"]
    rows = read(text(tmp_path, "x\n" + "\n".join(lines)))
    assert rows.dtype == np.float64
    assert rows[-1, 0] == 0.5
    assert rows[199_999, 0] == 199_999


def test_unwanted_fields_may_hold_anything(tmp_path):
    path = text(tmp_path, b'id,x\n\xff\xfe,1\n"a,""b""",2\n,3\n')
    np.testing.assert_array_equal(read(path, columns=["x"]), [[1], [2], [3]])


def test_line_numbers_count_blank_lines(tmp_path):
    assert message(text(tmp_path, "x,y\n\n1,2\r\n\r\n  \n3,nan\n")).startswith("a.csv:6: column 'y' is nan")
    assert message(text(tmp_path, "\n\nx,y\n\n1,2\n3,a\n")).startswith("a.csv:6: column 'y' must hold")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "a.csv: has no rows"),
        ("\n \n", "a.csv: has no rows"),
        ("x,y\n", "a.csv: has no rows"),
        ("x,y\n\n\n", "a.csv: has no rows"),
        (
            "x,y\n1,2\n3,bob\n",
            "a.csv:3: column 'y' must hold a number, got 'bob'; choose numeric columns with --columns",
        ),
        (
            "x,y\n1,2\n3,1_0\n",
            "a.csv:3: column 'y' must hold a number, got '1_0'; choose numeric columns with --columns",
        ),
        (
            "x,y,z\n1,  ,3\n",
            "a.csv:2: column 'y' is missing; every value must be finite",
        ),
        (
            "x,y\n1,  \n",
            "a.csv:2: column 'y' is missing; every value must be finite",
        ),
        ("x,y\n1,2\n,3\n", "a.csv:3: column 'x' is missing; every value must be finite"),
        ('x,y\n1,2\n3,""\n', "a.csv:3: column 'y' is missing; every value must be finite"),
        ("x,y\n1,2\n3,NaN\n", "a.csv:3: column 'y' is nan; every value must be finite"),
        ("x,y\n1,2\n3,-1e999\n", "a.csv:3: column 'y' is -inf; every value must be finite"),
        ("x,y,z\n1,2,3\n4,5\n", "a.csv:3: expected 3 columns, got 2"),
        ("x,y,z\n1,2,3\n4,5", "a.csv:3: expected 3 columns, got 2"),
        ("x,y\n1,2\n3,4,5\n", "a.csv:3: expected 2 columns, got 3"),
        ('x,y\n1,"2\n3",4\n', "a.csv:2: a quoted field must end on its line, got an odd number of quotes"),
        ('x,"y\nz"\n1,2\n', "a.csv:1: a quoted field must end on its line, got an odd number of quotes"),
    ],
)
def test_csv_errors(tmp_path, content, error):
    assert message(text(tmp_path, content)) == error


def test_tsv_row_of_empty_fields_is_not_blank(tmp_path):
    path = text(tmp_path, "x\ty\n1\t2\n\t\n", "a.tsv")
    assert message(path) == "a.tsv:3: column 'x' is missing; every value must be finite"


def test_other_line_ends_and_encodings_are_errors(tmp_path):
    assert "a.csv:2: expected one row, got" in message(text(tmp_path, "x,y\n1,2\r3,4\n"))
    assert message(text(tmp_path, "x,y\n1,2\n".encode("utf-16"))).startswith(
        "a.csv:1: the header must be UTF-8, got b'"
    )


def test_first_wrong_line_of_a_long_file(tmp_path):
    lines = [f"{index},1" for index in range(300_000)]
    lines[250_000] = lines[270_000] = "1,a"
    assert message(text(tmp_path, "\n".join(lines))).startswith("a.csv:250001: column 'x1' must hold")


def test_endless_line_is_an_error(tmp_path):
    path = text(tmp_path, "1," * (3 << 20))
    assert "a.csv:1: a line must be shorter than 4 MiB and end in a line feed" in message(path)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"x": 1', "expected a JSON object, got an error at character 8: Expecting ',' delimiter"),
        ("null", "expected a JSON object, got null"),
        ("[1, 2]", "expected a JSON object, got [1, 2]"),
        ('{"x": 1} {"x": 2}', "expected a JSON object, got an error at character 10: Extra data"),
        ('{"x": 1,\n"y": 2}', "expected a JSON object, got an error at character 9: Expecting property"),
        ('{"x": 1}', "column 'y' is missing; every value must be finite"),
        ('{"x": 1, "y": null}', "column 'y' is missing; every value must be finite"),
        ('{"x": 1, "y": NaN}', "column 'y' is nan; every value must be finite"),
        ('{"x": 1, "y": "2"}', "column 'y' must hold a number, got \"2\"; choose numeric columns"),
        ('{"x": 1, "y": true}', "column 'y' must hold a number, got true; choose numeric columns"),
        ('{"x": 1, "y": [2]}', "column 'y' must hold a number, got [2]; choose numeric columns"),
        ('{"x": 1, "y": {"a": 2}}', "column 'y' must hold a number, got {\"a\": 2}; choose numeric"),
        ('{"x": 1, "y": 1e999}', "expected each key once and numbers that fit in float64"),
        ('{"x": 1, "y": 2, "y": 3}', "expected each key once and numbers that fit in float64"),
        (b'{"x": "\xff"', "expected a JSON object, got "),
        ('{"x":' + "[" * 100_000, "expected a JSON object of numbers, got one that is nested too deep"),
    ],
)
def test_ndjson_errors(tmp_path, line, error):
    line = line if isinstance(line, bytes) else line.encode()
    path = text(tmp_path, b'{"x": 1, "y": 2}\n\n' + line + b'\n{"x": 3, "y": 4}\n', "a.ndjson")
    assert message(path).startswith(f"a.ndjson:3: {error}")


def test_ndjson_first_line_must_be_an_object(tmp_path):
    assert message(text(tmp_path, "\nnull\n", "a.ndjson")) == "a.ndjson:2: expected a JSON object, got null"
    assert message(text(tmp_path, "{}\n", "a.ndjson")) == "a.ndjson: has no columns"


def test_ndjson_mixes_integers_and_decimals_and_ignores_other_keys(tmp_path):
    lines = [
        '{"y": 1, "x": 2}',
        '  {"x": 2.5, "z": {"a": [1]}, "y": -3e2}',
        "",
        '{"x": 123456789012345678901234567890, "y": 0, "z": "s"}\r',
    ]
    path = text(tmp_path, "\n".join(lines), "a.ndjson")
    assert open_source([path]).names == ("y", "x")
    expected = [[2, 1], [2.5, -300], [123456789012345678901234567890, 0]]
    np.testing.assert_array_equal(read(path, columns=["x", "y"]), np.array(expected, dtype=float))


# Binary formats


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64", "float16", "float32"])
def test_numeric_types(tmp_path, name, kind):
    path = tmp_path / name
    rows = np.array([[1, 2], [3, 4]], dtype=kind)
    WRITERS[name](path, rows)
    read_rows = read(str(path))
    assert read_rows.dtype == (np.float32 if kind == "float32" else np.float64)
    np.testing.assert_array_equal(read_rows, rows)


@pytest.mark.parametrize("name", BINARY)
def test_decimals_are_cast(tmp_path, name):
    table = pa.table({"x": [Decimal("1.25"), Decimal("-3.50")]})
    path = str(tmp_path / name)
    write_table(table, path)
    np.testing.assert_array_equal(read(path), [[1.25], [-3.5]])


def write_table(table: pa.Table, path: str) -> None:
    if path.endswith(".parquet"):
        pq.write_table(table, path)
        return
    opener = pa.ipc.new_file if path.endswith(".arrow") else pa.ipc.new_stream
    with opener(path, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("name", BINARY)
def test_float32_only_if_all_are(tmp_path, name):
    path, other = str(tmp_path / name), str(tmp_path / f"other{name}")
    table = pa.table({"x": np.ones(2, np.float32), "y": np.ones(2, np.float32), "z": np.ones(2)})
    write_table(table, path)
    assert read(path, columns=["y", "x"]).dtype == np.float32
    assert read(path, columns=["x", "z"]).dtype == np.float64
    write_table(pa.table({"x": np.ones(2), "y": np.ones(2)}), other)
    for flush in (False, True):
        source = open_source([path, other], columns=["x", "y"])
        assert {batch.rows.dtype for batch in source.batches(flush)} == {np.dtype(np.float64)}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("value", [True, "a", b"a"])
def test_columns_that_are_not_numeric(tmp_path, name, value):
    path = str(tmp_path / name)
    table = pa.table({"z": [value, value], "x": [1, 2], "a.b": [3.0, 4.0]})
    write_table(table, path)
    kind = table.schema.field("z").type
    remedy = "choose numeric columns with --columns"
    assert message(path) == f"{name}: column 'z' must be numeric, got {kind}; {remedy}"
    np.testing.assert_array_equal(read(path, columns=["a.b", "x"]), [[3, 1], [4, 2]])


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.decimal128(5, 2)])
def test_nulls_name_the_row(tmp_path, name, kind):
    values = pa.array([1] * 16 + [None, 2], kind)
    path = str(tmp_path / name)
    write_table(pa.table({"y": range(18), "x": values}), path)
    assert message(path) == f"{name}: row 17 column 'x' is missing; every value must be finite"


@pytest.mark.parametrize("name", [*BINARY, "a.npy"])
def test_not_finite_names_the_row_over_blocks(tmp_path, name, monkeypatch):
    monkeypatch.setattr("streamgmm.sources.table._BLOCK_VALUES", 6)
    path = tmp_path / name
    rows = np.arange(40.0).reshape(20, 2)
    WRITERS[name](path, rows)
    np.testing.assert_array_equal(read(str(path)), rows)
    rows[16, 1] = np.nan
    WRITERS[name](path, rows)
    column = "x1" if name == "a.npy" else "y"
    assert message(str(path)) == f"{name}: row 17 column '{column}' is nan; every value must be finite"


@pytest.mark.parametrize("name", [*BINARY, "a.npy", "a.csv.gz"])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.6])
def test_truncated_files(tmp_path, name, part):
    path = tmp_path / name
    WRITERS[name](path, np.random.default_rng(0).normal(size=(1000, 2)))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    error = message(str(path))
    assert error.startswith(f"{name}: cannot be read, perhaps damaged or cut off: ") or error == (
        f"{name}: has no rows"
    )
    assert "\n" not in error


@pytest.mark.parametrize("name", [*BINARY, "a.npy", "a.csv.gz"])
def test_files_of_another_kind(tmp_path, name):
    assert message(text(tmp_path, "x,y\n1,2\n", name)).startswith(f"{name}: cannot be read, perhaps damaged")


def write_compressed(path: Path, rows: np.ndarray) -> None:
    table = table_of(rows)
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(path, table.schema, options=options) as writer:
        writer.write_table(table)


def damaged(content: bytes):
    """Yield copies that are cut off, and copies with one byte replaced."""
    for end in range(1, len(content), 61):
        yield content[:end]
    for place in range(0, len(content), 5):
        for byte in {0, 0x7F, 0xFF, content[place] ^ 0x10} - {content[place]}:
            yield content[:place] + bytes([byte]) + content[place + 1 :]


@pytest.mark.parametrize("name", [*BINARY, "compressed.arrow", "a.npy", "a.csv.gz"])
def test_damage_anywhere_is_told_with_the_files_name(tmp_path, name):
    path = tmp_path / name
    {**WRITERS, "compressed.arrow": write_compressed}[name](path, np.arange(16.0).reshape(8, 2))
    errors = []
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        try:
            read(str(path))
        except SourceError as error:
            errors.append(str(error))
    assert len(errors) > 40
    assert all(error.startswith(f"{path}:") for error in errors)
    assert max(map(len, errors)) < 500


def test_parquet_that_says_it_has_no_rows(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, np.arange(80.0).reshape(40, 2))
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    n_rows = content.index(b"\x16\x50", footer)  # field 3 of the footer, 40 in zigzag; row groups come later
    path.write_bytes(content[: n_rows + 1] + b"\0" + content[n_rows + 2 :])
    assert pq.ParquetFile(path).metadata.num_rows == 0
    np.testing.assert_array_equal(read(str(path)), np.arange(80.0).reshape(40, 2))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("x,y\n1," + "9a" * 20_000 + "\n", "a.csv"),
        ("x," + "y" * 40_000 + "\n1,a\n", "a.csv"),
        ("x\n" + "1\r" * 20_000 + "\n", "a.csv"),
        (b"\xff" * 40_000 + b"\n1\n", "a.csv"),
        (json.dumps({"x" * 40_000: "a" * 40_000}), "a.ndjson"),
    ],
)
def test_long_fields_are_quoted_in_part(tmp_path, content, name):
    error = message(text(tmp_path, content, name))
    assert error.startswith(f"{name}:")
    assert len(error) < 300
    assert "..." in error


def test_long_names_and_types_are_quoted_in_part(tmp_path):
    path = text(tmp_path, ",".join(letter * 40_000 for letter in "abc") + "\n1,2,3\n")
    assert len(message(path, columns=["d" * 40_000])) < 600
    table = pa.table({"x" * 40_000: [{f"key {index}": 1 for index in range(400)}]})
    write_table(table, str(tmp_path / "a.parquet"))
    assert len(message(str(tmp_path / "a.parquet"))) < 300


def test_control_characters_are_shown_as_escapes(tmp_path):
    path = text(tmp_path, "x\x1b[31m,y\n1,\x1b[31m\n", "a\x1b[31m\n\u202eb é.csv")
    with pytest.raises(SourceError) as caught:
        read(path)
    error = str(caught.value)
    assert error.isprintable()
    assert r"a\x1b[31m\n\u202eb é.csv:2: column 'y' must hold a number, got '\x1b[31m'" in error
    with pytest.raises(SourceError, match=r"it has 'x\\x1b\[31m', 'y'"):
        read(path, columns=["z"])


def test_npy_header_that_is_damaged(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    content = (tmp_path / "a.npy").read_bytes().replace(b"}", b"{")
    assert message(text(tmp_path, content, "a.npy")).startswith("a.npy: cannot be read, perhaps damaged")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(3, 2),
        np.asfortranarray(np.arange(6.0).reshape(3, 2)),
        np.arange(6.0).astype(">f4"),
    ],
)
def test_npy_layouts(tmp_path, array):
    path = tmp_path / "a.npy"
    np.save(path, array)
    rows = read(str(path))
    assert rows.dtype == (np.float32 if array.dtype.itemsize == 4 else np.float64)
    np.testing.assert_array_equal(rows, array.reshape(len(array), -1))


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (np.array([["a", "b"]]), "a.npy: the array must hold numbers, got <U1"),
        (np.array([[True]]), "a.npy: the array must hold numbers, got bool"),
        (np.array([[1j]]), "a.npy: the array must hold numbers, got complex128"),
        (np.zeros(3, [("x", float)]), "a.npy: the array must hold numbers, got [('x', '<f8')]"),
        (np.zeros((2, 2, 2)), "a.npy: the array must have one or two dimensions, got shape (2, 2, 2)"),
        (np.zeros((3, 0)), "a.npy: has no columns"),
        (np.array([[None]]), "a.npy: cannot be read, perhaps damaged or cut off: "),
    ],
)
def test_npy_errors(tmp_path, array, error):
    np.save(tmp_path / "a.npy", array)
    assert message(str(tmp_path / "a.npy")).startswith(error)


# Paths


def test_globs_are_sorted_and_read_in_order(tmp_path):
    for index in (2, 0, 1):
        text(tmp_path, f"x\n{index}\n", f"part{index}.csv")
    np.testing.assert_array_equal(read(str(tmp_path / "part*.csv")), [[0], [1], [2]])
    source = open_source([str(tmp_path / "part2.csv"), str(tmp_path / "part[01].csv")], batch_rows=2)
    assert [batch.rows.tolist() for batch in source.batches()] == [[[2], [0]], [[1]]]


def test_name_with_brackets_is_a_name_if_it_exists(tmp_path):
    np.testing.assert_array_equal(read(text(tmp_path, "x\n1\n", "a[1].csv")), [[1]])


def test_path_errors(tmp_path):
    assert message(str(tmp_path / "no.csv")) == "no.csv: there is no such file"
    assert message(str(tmp_path / "no*.csv")) == "no*.csv: no file matches"
    assert f"{tmp_path.name}: must be a file, got a directory" in message(str(tmp_path))
    error = message(text(tmp_path, "1,2\n", "a.txt"))
    assert error.startswith("a.txt: the ending must be one of .csv[.gz], .tsv[.gz], .ndjson[.gz]")
    assert error.endswith(".parquet, .arrow, .feather, .ipc, .npy, got '.txt'")
    os.mkfifo(tmp_path / "a.csv.fifo")
    assert "must be a regular file" in message(str(tmp_path / "a.csv.fifo"))


def test_argument_errors(tmp_path):
    path = text(tmp_path, "x,y\n1,2\n")
    with pytest.raises(SourceError, match=r"`paths` must be a sequence .*, got 'a'"):
        open_source("a")
    with pytest.raises(SourceError, match=r"`paths` must be a sequence of at least one string, got \[\]"):
        open_source([])
    with pytest.raises(SourceError, match="`columns` must be a sequence of at least one string, got 'x'"):
        open_source([path], columns="x")
    with pytest.raises(SourceError, match="`columns` must not repeat a name, got x, y, x"):
        open_source([path], columns=["x", "y", "x"])
    with pytest.raises(SourceError, match="`batch_rows` must be at least 1, got 0"):
        open_source([path], batch_rows=0)


def test_later_files_must_have_the_columns(tmp_path):
    first = text(tmp_path, "x,y\n1,2\n")
    fewer = text(tmp_path, "x\n1\n", "fewer.csv")
    more = text(tmp_path, "x,extra,y\n3,a,4\n", "more.csv")
    swapped = text(tmp_path, "y,x\n6,5\n", "swapped.csv")
    assert message(first, fewer) == "fewer.csv: has no column 'y'; it has 'x'"
    with pytest.raises(
        SourceError, match=r"must have the columns of .*a\.csv, got also 'extra'; choose columns"
    ):
        open_source([first, more])
    np.testing.assert_array_equal(read(first, more, columns=["x", "y"]), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(read(first, swapped), [[1, 2], [5, 6]])


def test_error_in_a_later_file_names_it(tmp_path):
    first, second = text(tmp_path, "x\n1\n"), text(tmp_path, "x\n1\nbad\n", "b.csv")
    assert message(first, second).startswith("b.csv:3: column 'x'")
    assert message(first, text(tmp_path, "x\n", "c.csv")) == "c.csv: has no rows"


# pyarrow


def run_python(code: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize(
    ("name", "what"),
    [("a.csv", "CSV"), ("a.ndjson", "NDJSON"), ("a.parquet", "Parquet"), ("a.ipc", "Arrow IPC")],
)
def test_missing_pyarrow_says_how_to_install_it(tmp_path, monkeypatch, name, what):
    path = tmp_path / name
    WRITERS[name](path, ROWS)
    for module in ("csv", "json", "parquet", "ipc"):
        monkeypatch.setitem(sys.modules, f"pyarrow.{module}", None)
    with pytest.raises(ImportError) as caught:
        open_source([str(path)])
    assert str(caught.value) == f"reading {what} needs pyarrow: pip install 'streamgmm[cli]'"


def test_import_and_npy_do_without_pyarrow(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    done = run_python(
        """
        import sys
        from streamgmm.sources import open_source
        print(sum(len(batch.rows) for batch in open_source(sys.argv[1:]).batches()), "pyarrow" in sys.modules)
        """,
        str(tmp_path / "a.npy"),
    )
    assert done.stdout.split() == ["5", "False"], done.stderr


# Standard input


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("x,y\n1,2\n3,4\n", ("x", "y")),
        ("1,2\n3,4\n", ("x0", "x1")),
        ("x\ty\n1\t2\n3\t4\n", ("x", "y")),
        ("a\tb,y\n1,2\n3,4\n", ("a\tb", "y")),
        ('\n{"x": 1, "y": 2}\n{"x": 3, "y": 4}\n', ("x", "y")),
    ],
)
def test_stdin_formats(monkeypatch, content, names):
    feed(monkeypatch, content)
    source = open_source(["-"], batch_rows=1)
    assert source.names == names
    assert not source.rereadable
    assert source.total_bytes is None
    batches = list(source.batches())
    assert [batch.rows.tolist() for batch in batches] == [[[1, 2]], [[3, 4]]]
    assert batches[-1].bytes_read == len(content)
    with pytest.raises(SourceError, match="<stdin>: must be read only once, got a second pass"):
        source.batches()


def test_stdin_and_files_together(monkeypatch, tmp_path):
    path = text(tmp_path, "x\n1\n")
    feed(monkeypatch, "x\n2\n")
    source = open_source([path, "-", path])
    assert not source.rereadable
    assert source.total_bytes is None
    np.testing.assert_array_equal(next(source.batches()).rows, [[1], [2], [1]])


def test_stdin_errors(monkeypatch):
    for content, error in [
        ("", "<stdin>: has no rows"),
        ("x,y\n", "<stdin>: has no rows"),
        ("x,y\n1,2\n3,a\n", "<stdin>:3: column 'y' must hold a number, got 'a'"),
        ("x,y\n1,2\n3,\n", "<stdin>:3: column 'y' is missing"),
    ]:
        feed(monkeypatch, content)
        assert message("-").startswith(error)
    assert message("-", "-") == "<stdin>: must be given only once, got 2 times"


PIPE = """
import sys
from streamgmm.sources import open_source
source = open_source(["-"], batch_rows=2)
print(source.names, flush=True)
for batch in source.batches(flush=sys.argv[1] == "flush"):
    print(batch.rows.tolist(), flush=True)
"""


def pipe(mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PIPE, mode]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=dict(os.environ)
    )


@pytest.mark.parametrize("header", [True, False])
def test_flush_gives_a_line_while_the_pipe_is_open(header):
    with pipe("flush") as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        if header:
            process.stdin.write("x0,x1\n")
        else:
            process.stdin.write("5,6\n")
        assert process.stdout.readline() == "('x0', 'x1')\n"
        if not header:
            assert process.stdout.readline() == "[[5.0, 6.0]]\n"
        process.stdin.write("1,2\n")
        assert process.stdout.readline() == "[[1.0, 2.0]]\n"
        process.stdin.write("3,4\n5,6\n7,8\n9,")
        process.stdin.flush()
        assert process.stdout.readline() == "[[3.0, 4.0], [5.0, 6.0]]\n"
        assert process.stdout.readline() == "[[7.0, 8.0]]\n"
        process.stdin.write("10\n")
        assert process.stdout.readline() == "[[9.0, 10.0]]\n"
        process.stdin.close()
        assert process.stdout.read() == ""
        watchdog.cancel()
    assert process.returncode == 0


def test_without_flush_batches_do_not_depend_on_timing():
    with pipe("exact") as process:
        for line in ("1,2\n", "3,4\n", "5,6\n"):
            process.stdin.write(line)
        process.stdin.close()
        assert process.stdout.read().split("\n")[1:3] == ["[[1.0, 2.0], [3.0, 4.0]]", "[[5.0, 6.0]]"]


# Memory

MEASURE = """
import sys
from streamgmm.sources import open_source

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

def count(path):
    return sum(len(batch.rows) for batch in open_source([path]).batches())

warm, path = sys.argv[1:]
count(warm)
before = peak()
print(count(path), peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("name", "n_rows", "most_mib"),
    [
        ("a.csv", 1_000_000, 32),
        ("a.parquet", 4_000_000, 60),
        ("a.arrow", 4_000_000, 40),
        ("a.npy", 4_000_000, 40),
    ],
)
def test_memory_is_constant(tmp_path, name, n_rows, most_mib):
    rows = np.random.default_rng(0).normal(size=(n_rows, 4))
    table = pa.table({f"x{index}": np.ascontiguousarray(rows[:, index]) for index in range(4)})
    warm, path = tmp_path / f"warm.{name}", tmp_path / name
    for target, part in ((warm, table.slice(0, 10)), (path, table)):
        if name == "a.csv":
            pa.csv.write_csv(part, target)
        elif name == "a.parquet":
            pq.write_table(part, target, row_group_size=n_rows)
        elif name == "a.arrow":
            with pa.ipc.new_file(target, part.schema) as writer:
                writer.write_table(part)
        else:
            np.save(target, rows[: len(part)])
    assert path.stat().st_size > 2 * most_mib * 2**20
    done = run_python(MEASURE, str(warm), str(path))
    assert done.returncode == 0, done.stderr
    n_read, grown = done.stdout.split()
    assert int(n_read) == n_rows
    assert float(grown) < most_mib


def test_batches_are_let_go(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((400_000, 4)))
    tracemalloc.start()
    for _ in open_source([str(path)]).batches():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 65536 * 4 * 8 + 8 * 2**20


def test_folder_of_parquet_files_is_a_dataset(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    (tmp_path / "data" / "year=2026").mkdir(parents=True)
    for index, folder in enumerate(("data", "data/year=2026")):
        table = pyarrow.table({"a": [float(index), index + 0.5], "b": [1.0, 2.0]})
        parquet.write_table(table, tmp_path / folder / f"{index}.parquet")
    rows = np.concatenate([batch.rows for batch in open_source([str(tmp_path / "data")]).batches()])
    np.testing.assert_array_equal(np.sort(rows[:, 0]), [0.0, 0.5, 1.0, 1.5])
