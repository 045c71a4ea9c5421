"""The command: what it prints and writes, and that it fails in one line with the right status."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from streamgmm import Mixture, OnlineGaussianMixture, load, save, select
from streamgmm.cli._rows import Rewindable
from streamgmm.cli._units import standardization, unstandardize
from streamgmm.cli.app import streamgmm
from streamgmm.cli.select import Numbers
from streamgmm.fit.plan import ON_DRIFT
from streamgmm.persistence import load_metadata

MIXTURE = Mixture([0.25, 0.75], [[0.0, 10.0], [5.0, -10.0]], [[1.0, 4.0], [2.0, 1.0]], "diag")
COMMAND = [sys.executable, "-m", "streamgmm.cli"]


def run(*arguments, stdin=None):
    result = CliRunner().invoke(streamgmm, [str(argument) for argument in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def output_of(*arguments, stdin=None):
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def error_of(*arguments, stdin=None, code=1):
    """Return the one line that a failing command prints, without the part that all share."""
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == code
    assert result.stdout == ""
    line = result.stderr.splitlines()[-1]
    if code == 1:
        assert result.stderr.count("\n") == 1
        assert line.startswith("streamgmm: error: ")
    return line.removeprefix("streamgmm: error: ")


def json_of(*arguments, stdin=None):
    def refuse(constant):
        raise ValueError(constant)

    lines = output_of(*arguments, stdin=stdin).splitlines()
    parsed = [json.loads(line, parse_constant=refuse) for line in lines]
    return parsed[0] if len(parsed) == 1 else parsed


def write_csv(path, X, names=("x", "y")):
    lines = [",".join(names), *(",".join(map(repr, row)) for row in np.asarray(X).tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def X():
    return MIXTURE.sample(3000, random_state=0)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, X):
    """A folder with the same rows in several formats, and a model."""
    folder = tmp_path_factory.mktemp("data")
    write_csv(folder / "points.csv", X)
    write_csv(folder / "part1.csv", X[:1000])
    write_csv(folder / "part2.csv", X[1000:])
    pq.write_table(pa.table({"x": X[:, 0], "y": X[:, 1]}), folder / "points.parquet")
    records = (json.dumps({"x": row[0], "y": row[1]}) for row in X.tolist())
    (folder / "points.ndjson").write_text("\n".join(records))
    save(MIXTURE, folder / "model", feature_names=["x", "y"], n_samples_seen=7, metadata={"site": "A"})
    return folder


# ---------------------------------------------------------------- fit


def test_fit_is_the_estimator_fed_with_the_file(folder, X, tmp_path):
    output = tmp_path / "m.safetensors"
    table = output_of("fit", folder / "points.csv", "--components", 2, "-o", output)
    expected = OnlineGaussianMixture(2, random_state=0).fit(X)
    assert load(output) == expected.to_mixture()
    metadata = load_metadata(output)
    assert metadata["feature_names"] == ["x", "y"]
    assert metadata["n_samples_seen"] == 3000
    assert metadata["info"]["components"] == 2
    for word in ("x", "y", "standard deviation", "rows seen: 3000", f"written to {output}"):
        assert word in table
    assert f"{expected.lower_bound_:.6g} nats" in table
    assert f"{expected.means_[0, 0]:.6g}" in table
    assert f"{np.sqrt(expected.covariances_[1, 1, 1]):.6g}" in table


@pytest.mark.parametrize("rule", ["online-em", "em", "gradient", "natural-gradient"])
@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_every_rule_and_covariance_type(folder, X, rule, covariance):
    found = json_of(
        "fit", folder / "points.csv", "--rule", rule, "--covariance", covariance, "-k", 2, "--json"
    )
    expected = OnlineGaussianMixture(2, covariance_type=covariance, rule=rule, random_state=0).fit(X)
    np.testing.assert_array_equal(found["weights"], expected.weights_)
    np.testing.assert_array_equal(found["means"], expected.means_)
    np.testing.assert_array_equal(found["covariances"], expected.covariances_)
    assert found["log_likelihood_per_row"] == expected.lower_bound_
    assert found["rows"] == 3000
    assert found["output"] is None


def test_passes_batch_size_and_seed_are_the_estimators(folder, X):
    found = json_of(
        *("fit", folder / "points.csv", "-k", 3, "--passes", 2, "--batch-size", 100, "--seed", 5, "--json")
    )
    expected = OnlineGaussianMixture(3, batch_size=100, max_epochs=2, random_state=5).fit(X)
    np.testing.assert_array_equal(found["means"], expected.means_)
    assert found["rows"] == 6000


def test_all_formats_give_the_same_model(folder, tmp_path):
    """Files in random order, however they are stored; standard input in the order in which it comes."""
    ways = [
        ([folder / "points.csv"], None),
        ([folder / "points.parquet"], None),
        ([folder / "points.ndjson"], None),
        ([folder / "part*.csv"], None),
        ([folder / "part1.csv", folder / "part2.csv"], None),
        (["-"], (folder / "points.csv").read_bytes()),
        (["-"], (folder / "points.ndjson").read_bytes()),
    ]
    models = []
    for index, (files, stdin) in enumerate(ways):
        output_of("fit", *files, "-k", 2, "-o", tmp_path / str(index), stdin=stdin)
        models.append((tmp_path / str(index)).read_bytes())
    assert models[0] == models[1] == models[2]
    assert models[3] == models[4]  # the order of the files is drawn, too
    assert models[5] == models[6]
    assert len(set(models)) == 3


def test_standard_input_is_learned_in_its_order(folder, X, tmp_path):
    output_of("fit", "-", "-k", 2, "-o", tmp_path / "m", stdin=(folder / "points.csv").read_bytes())
    expected = OnlineGaussianMixture(2, random_state=0).partial_fit(X)
    assert load(tmp_path / "m") == expected.to_mixture()


def test_columns_are_chosen_by_name(tmp_path):
    path = write_csv(tmp_path / "a.csv", np.arange(60).reshape(20, 3) % 7, ["id", "b", '"a,c"'])
    found = json_of("fit", path, "--columns", '"a,c",b', "--json")
    assert found["feature_names"] == ["a,c", "b"]
    swapped = json_of("fit", path, "--columns", 'b,"a,c"', "--json")
    np.testing.assert_allclose(found["means"][0], swapped["means"][0][::-1])


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_standardize_gives_the_model_in_the_units_of_the_data(folder, X, tmp_path, covariance):
    output = tmp_path / "m"
    options = ("--standardize", "-k", 2, "--covariance", covariance, "-o", output, "--json")
    found = json_of("fit", folder / "points.csv", *options)
    scale = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / scale
    expected = OnlineGaussianMixture(2, covariance_type=covariance, random_state=0).fit(Z)
    shift = np.log(scale).sum()
    assert found["covariance_type"] == ("diag" if covariance == "spherical" else covariance)
    np.testing.assert_allclose(load(output).log_prob(X), expected.score_samples(Z) - shift, rtol=1e-7)
    np.testing.assert_allclose(found["log_likelihood_per_row"], expected.lower_bound_ - shift, rtol=1e-7)


def test_standardize_does_not_care_for_units(folder, X, tmp_path):
    moved = write_csv(tmp_path / "moved.csv", X * [1e-3, 1e6] + [5.0, -1e8])
    one = json_of("fit", folder / "points.csv", "-k", 2, "--standardize", "--json")
    other = json_of("fit", moved, "-k", 2, "--standardize", "--json")
    np.testing.assert_allclose(other["weights"], one["weights"], rtol=1e-5)
    np.testing.assert_allclose(
        np.array(other["means"]), np.array(one["means"]) * [1e-3, 1e6] + [5.0, -1e8], rtol=1e-5
    )


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_unstandardize_is_the_affine_map(covariance_type):
    covariances = {
        "full": [[[2.0, 0.3], [0.3, 1.0]], [[1.0, -0.2], [-0.2, 3.0]]],
        "tied": [[2.0, 0.3], [0.3, 1.0]],
        "diag": [[2.0, 1.0], [0.5, 3.0]],
        "spherical": [2.0, 0.5],
    }[covariance_type]
    mixture = Mixture([0.3, 0.7], [[0.0, 1.0], [2.0, -1.0]], covariances, covariance_type)
    center, scale = np.array([100.0, -3.0]), np.array([0.1, 20.0])
    Z = mixture.sample(20, random_state=0)[0]
    moved = unstandardize(mixture, center, scale)
    np.testing.assert_allclose(
        moved.log_prob(center + scale * Z), mixture.log_prob(Z) - np.log(scale).sum(), rtol=1e-7
    )


def test_standardization_of_constant_and_of_hopeless_columns():
    rows = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]])
    assert standardization(rows, "ab").scale[0] == 1.0
    assert standardization(rows, "ab").center[0] == 0.1
    for factor in (1e200, 1e-200):
        with pytest.raises(ValueError, match="column 'b' cannot be standardized"):
            standardization(rows * [1.0, factor], "ab")


def test_warnings_are_lines_with_names(tmp_path):
    rows = np.column_stack([np.full(200, 3.0), np.arange(200) % 5, np.full(200, 0.1)])
    path = write_csv(tmp_path / "a.csv", rows, ["alpha", "beta", "gamma"])
    for options in ((), ("--standardize",)):
        result = run("fit", path, *options)
        assert result.exit_code == 0
        lines = result.stderr.splitlines()
        assert len(lines) == 2
        assert all(line.startswith("warning: ") for line in lines)
        assert "constant columns in the first 200 rows: 'alpha', 'gamma'; " in lines[0]
        assert "only 5 of the first 200 rows are distinct" in lines[1]
    assert "one occurs 40 times" in lines[1]


@pytest.fixture(scope="module")
def changing(X):
    """Rows of one mixture, and from row 12 000 on of another."""
    before, after = (MIXTURE.sample(n, random_state=n)[0] for n in (12_000, 9000))
    return np.concatenate([before, after + 40.0])


def as_csv(rows):
    return "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in rows.tolist())


@pytest.mark.parametrize("on_drift", ["rehearse", "report", "forget"])
def test_events_are_told_once_and_are_in_the_json(changing, tmp_path, on_drift):
    output = tmp_path / "m.safetensors"
    options = ("-k", 2, "--memory-rows", 1000, "--on-drift", on_drift, "--json", "-o", output)
    result = run("fit", "-", *options, stdin=as_csv(changing))
    model = OnlineGaussianMixture(2, random_state=0, memory_rows=1000, on_drift=on_drift)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(changing)
    reasons = {event.reason for event in model.events_}
    assert {"rehearse": "order", "report": "report", "forget": "change"}[on_drift] in reasons
    lines = [f"{'warning: ' * (event.reason in ('order', 'report'))}{event}" for event in model.events_]
    assert sorted(result.stderr.splitlines()) == sorted(lines)
    told = json.loads(result.stdout)["events"]
    expected = [
        {
            "row": event.row,
            "reason": event.reason,
            "gain": event.gain if np.isfinite(event.gain) else None,
            "since": event.since,
            "components": event.n_components,
        }
        for event in model.events_
    ]
    assert told == expected
    info = load_metadata(output)["info"]
    assert (info["memory_rows"], info["on_drift"]) == (1000, on_drift)
    assert "max_components" not in info


def test_events_are_told_while_rows_come():
    """Rows that are not there yet hold nothing back: 65 536 are learned at a time."""
    rows = np.round(np.sort(MIXTURE.sample(100_000, random_state=0)[0], axis=0), 3)
    with start("fit", "-", "-k", 2, "--on-drift", "forget") as process:
        process.stdin.write(as_csv(rows).encode())
        process.stdin.flush()
        patience = threading.Timer(60, process.kill)
        patience.start()
        assert process.stderr.readline().startswith(b"row ")
        assert process.poll() is None
        process.stdin.close()
        assert process.stdout.read()
        patience.cancel()


def test_the_number_of_components_is_found(folder, X, tmp_path):
    output = tmp_path / "m.safetensors"
    found = json_of("fit", folder / "points.csv", "-k", "auto", "--max-components", 4, "--json", "-o", output)
    expected = OnlineGaussianMixture("auto", max_components=4, random_state=0).fit(X)
    assert load(output) == expected.to_mixture()
    assert found["n_components"] == 2
    info = load_metadata(output)["info"]
    assert (info["components"], info["max_components"]) == ("auto", 4)
    assert "memory_rows" not in info


def test_what_to_do_on_drift_is_what_the_estimator_takes():
    [option] = [option for option in streamgmm.commands["fit"].params if option.name == "on_drift"]
    assert tuple(option.type.choices) == ON_DRIFT


def test_more_passes_over_rows_that_are_all_held_are_not_made(tmp_path, X):
    path = write_csv(tmp_path / "a.csv", X[:500])
    result = run("fit", path, "--passes", 3, "--json")
    assert "more passes would add nothing" in result.stderr
    assert json.loads(result.stdout)["rows"] == 500


# ---------------------------------------------------------------- bad data


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows"),
        ("x,y\n", "has no rows"),
        ("x,y\n1,2\n3\n", ":3: expected 2 columns, got 1"),
        ("x,y\n1,2\n3,4\n5,", "column 'y' is missing"),
        ("x,y\n1,2\nnan,4\n", ":3: column 'x' is nan"),
        ("x,y\n1,2\n1e999,4\n", ":3: column 'x' is inf"),
        ("x,y\n1,2\n3,four\n", ":3: column 'y' must hold a number, got 'four'"),
        ("x,y\n1,2\n,4\n", ":3: column 'x' is missing"),
    ],
)
def test_bad_rows_are_told_with_their_place(folder, tmp_path, text, says):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    for command in (("fit",), ("score", folder / "model", "--summary")):
        line = error_of(*command, path)
        assert line.startswith(f"{path}:")
        assert says in line


def test_integers_first_and_decimals_later(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x\n" + "1\n2\n" * 100000 + "2.5\n")
    found = json_of("fit", path, "--json")
    assert found["rows"] == 200001
    assert found["means"][0][0] == pytest.approx(1.5, abs=0.1)


def test_a_missing_column_file_and_an_unknown_ending(folder, tmp_path):
    assert "has no column 'z'; it has 'x', 'y'" in error_of("fit", folder / "points.csv", "--columns", "x,z")
    assert "there is no such file" in error_of("fit", tmp_path / "nowhere.csv")
    assert "no file matches" in error_of("fit", tmp_path / "*.csv")
    assert "the ending must be one of" in error_of("fit", folder / "model")


def test_fewer_distinct_rows_than_components(tmp_path):
    path = write_csv(tmp_path / "a.csv", [[1.0, 2.0]] * 10)
    assert f"{path}: 3 components need at least 3 distinct rows" in error_of("fit", path, "-k", 3)
    path = write_csv(tmp_path / "b.csv", [[1.0, 2.0]])
    assert "3 components need at least 3 distinct rows" in error_of("fit", path, "-k", 3)


# ---------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--components", "0"], "x>=1"),
        (["--batch-size", "0"], "x>=1"),
        (["--seed", "-1"], "0<=x<="),
        (["--rule", "nope"], "'nope' is not one of 'em', 'online-em', 'natural-gradient', 'gradient'"),
        (["--rule", "sem-vr"], "'sem-vr' is not one of 'em', 'online-em'"),
        (["--covariance", "nope"], "'full', 'tied', 'diag', 'spherical'"),
        (["--columns", "x,x"], "'x' must be named once"),
        (["--columns", "x,"], "must be names separated by commas"),
        (["--nope"], "No such option"),
    ],
)
def test_bad_options_are_usage_errors(folder, arguments, says):
    assert says in error_of("fit", folder / "points.csv", *arguments, code=2)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ("5-3", "'5-3' must have ranges in rising order, got '5-3'"),
        ("5-3,2", "'5-3,2' must have ranges in rising order, got '5-3'"),
        ("1-1000000000", "must be at most 10000 numbers"),
        ("1-9000,10001-20000", "must be at most 10000 numbers"),
        ("1-" + "9" * 5000, "must be numbers from 1"),
        ("0-3", "must be numbers from 1"),
        ("1-2-3", "must be numbers from 1"),
        ("", "must be numbers from 1"),
    ],
)
def test_numbers_of_components_that_are_refused(folder, numbers, says):
    error = error_of("select", folder / "points.csv", "-k", numbers, code=2)
    assert says in error
    assert len(error) < 200


def test_numbers_of_components():
    assert Numbers().convert("2, 4-6,5 - 7,2", None, None) == (2, 4, 5, 6, 7)
    assert len(Numbers().convert("1-10000", None, None)) == 10_000


def test_other_usage_errors(folder):
    assert "--passes must be 1" in error_of("fit", "-", "--passes", 2, stdin="x\n1\n", code=2)
    assert "Missing argument" in error_of("fit", code=2)
    assert "No such command" in error_of("nope", code=2)
    assert "x>=1" in error_of("sample", folder / "model", "-n", 0, code=2)


@pytest.mark.parametrize("command", [[], ["fit"], ["select"], ["score"], ["predict"], ["sample"], ["info"]])
def test_help(command):
    assert "Usage: " in output_of(*command, "--help")


# ---------------------------------------------------------------- select


def test_select_is_the_function_fed_with_the_file(folder, X, tmp_path):
    model = tmp_path / "best.safetensors"
    arguments = ("-k", "1-2,4", "--covariance", "full", "--covariance", "tied", "-o", model)
    found = json_of("select", folder / "points.csv", *arguments, "--json")
    expected = select(X, [1, 2, 4], covariance_types=["full", "tied"], random_state=0)
    assert [row["n_components"] for row in found["table"]] == [row.n_components for row in expected.table]
    assert [row["value"] for row in found["table"]] == pytest.approx([row.value for row in expected.table])
    assert load(model).n_components == expected.best.n_components
    text = output_of("select", "-", "-k", "2", "--criterion", "held-out", stdin="a\n" + "1\n2\n9\n8\n" * 9)
    assert "held-out" in text
    assert "must be numbers from 1" in error_of("select", folder / "points.csv", "-k", "0-3", code=2)
    assert "rising order" in error_of("select", folder / "points.csv", "-k", "3-1", code=2)


# ---------------------------------------------------------------- model files


def test_a_failing_fit_leaves_the_old_model(folder, tmp_path):
    output = tmp_path / "m.safetensors"
    save(MIXTURE, output)
    before = output.read_bytes()
    bad = tmp_path / "bad.csv"
    bad.write_text("x\n" + "1\n2\n" * 50000 + "three\n")
    assert ":100002: column 'x' must hold a number" in error_of("fit", bad, "-o", output)
    assert output.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["bad.csv", "m.safetensors"]


def test_an_output_that_cannot_be_written_fails_before_any_row_is_read(folder, tmp_path):
    nowhere = tmp_path / "nowhere" / "m"
    assert error_of("fit", "-", "-o", nowhere) == f"{nowhere}: cannot be written: its folder does not exist"
    assert "got a directory" in error_of("fit", "-", "-o", tmp_path)


def test_the_data_are_not_replaced_by_the_model(tmp_path, X):
    path = write_csv(tmp_path / "a.csv", X[:50])
    before = path.read_bytes()
    assert "is not a model file, and is not replaced by one" in error_of("fit", path, "-o", path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["score", "predict", "sample", "info"])
def test_what_is_no_model_is_refused(folder, tmp_path, command):
    files = [folder / "points.csv"] if command in ("score", "predict") else []
    cut = tmp_path / "cut"
    cut.write_bytes((folder / "model").read_bytes()[:-1])
    for path in (cut, folder / "points.csv", tmp_path, tmp_path / "nowhere"):
        assert error_of(command, path, *files).startswith(f"{path}: ")


# ---------------------------------------------------------------- score and predict


def test_score_prints_the_exact_log_densities(folder, X):
    header, *lines = output_of("score", folder / "model", folder / "points.csv").splitlines()
    assert header == "log_prob"
    assert np.array_equal(np.array(lines, dtype=float), MIXTURE.log_prob(X))
    records = json_of("score", folder / "model", folder / "points.parquet", "--json")
    assert [record["log_prob"] for record in records] == MIXTURE.log_prob(X).tolist()


def test_score_summary(folder, X):
    header, line = output_of("score", folder / "model", folder / "points.csv", "--summary").splitlines()
    assert header == "mean_log_prob,rows"
    assert float(line.split(",")[0]) == pytest.approx(MIXTURE.log_prob(X).mean(), rel=1e-12)
    assert line.endswith(",3000")
    assert json_of("score", folder / "model", folder / "points.csv", "--summary", "--json")["rows"] == 3000


def test_predict(folder, X):
    resp = MIXTURE.responsibilities(X)
    header, *lines = output_of("predict", folder / "model", folder / "points.csv").splitlines()
    assert header == "component,probability"
    values = np.array([line.split(",") for line in lines], dtype=float)
    assert np.array_equal(values[:, 0], resp.argmax(axis=1))
    assert np.array_equal(values[:, 1], resp.max(axis=1))
    header, *lines = output_of("predict", folder / "model", folder / "points.csv", "--proba").splitlines()
    assert header == "component,probability,p0,p1"
    assert np.array_equal(np.array([line.split(",")[2:] for line in lines], dtype=float), resp)
    records = json_of("predict", folder / "model", folder / "points.csv", "--proba", "--json")
    assert [record["probabilities"] for record in records] == resp.tolist()
    assert set(json_of("predict", folder / "model", folder / "points.csv", "--json")[0]) == {
        "component",
        "probability",
    }


def test_numbers_that_are_not_finite_are_null_in_json(folder, monkeypatch):
    monkeypatch.setattr(Mixture, "log_prob", lambda self, X: np.full(len(X), -np.inf))
    row = "x,y\n1,2\n"
    assert output_of("score", folder / "model", "-", stdin=row).splitlines()[1] == "-inf"
    assert json_of("score", folder / "model", "-", "--json", stdin=row) == {"log_prob": None}
    assert json_of("score", folder / "model", "-", "--summary", "--json", stdin=row)["mean_log_prob"] is None


@pytest.mark.parametrize(
    ("stdin", "warns"),
    [
        ("x,y\n1,2\n", False),
        ("id,y,name,x\n7,2,bob,1\n", False),
        ("1,2\n", False),
        ("a,b\n1,2\n", True),
        ('{"y": 2, "x": 1, "name": "bob"}\n', False),
        ("\ufeffx,y\n\n1,2\n", False),
        ("\ufeff\n\na,b\n\n1,2\n", True),
    ],
)
@pytest.mark.parametrize("is_piped", [True, False])
def test_columns_are_found_by_name_else_by_position(folder, tmp_path, stdin, warns, is_piped):
    path = tmp_path / ("a.ndjson" if stdin.startswith("{") else "a.csv")
    path.write_text(stdin)
    result = run("score", folder / "model", "-" if is_piped else path, stdin=stdin.encode())
    assert result.exit_code == 0, result.stderr
    assert float(result.stdout.splitlines()[1]) == MIXTURE.log_prob([[1.0, 2.0]])[0]
    expected = "warning: the columns 'a', 'b' are taken, in this order, for 'x', 'y'\n" if warns else ""
    assert result.stderr == expected


@pytest.mark.parametrize(
    ("stdin", "says"),
    [
        ("a,b,c\n1,2,3\n", "has 3 columns 'a', 'b', 'c', but the model has 2 features 'x', 'y'"),
        ("x,z\n1,2\n", "has no column 'y'; it has 'x', 'z'"),
        ("", "has no rows"),
        ("a,b\n1,bob\n", "column 'b' must hold a number"),
    ],
)
def test_columns_that_do_not_fit(folder, stdin, says):
    assert says in run("score", folder / "model", "-", stdin=stdin).stderr


def test_columns_can_be_named(folder):
    stdin = "a,b,c\n9,2,1\n"
    line = output_of("score", folder / "model", "-", "--columns", "c,b", stdin=stdin).splitlines()[1]
    assert float(line) == MIXTURE.log_prob([[1.0, 2.0]])[0]
    assert "the model has 2 features, got 1 columns" in error_of(
        "score", folder / "model", "-", "--columns", "c", stdin=stdin
    )


def test_a_model_without_names_takes_all_columns(tmp_path):
    save(MIXTURE, tmp_path / "m")
    assert output_of("score", tmp_path / "m", "-", stdin="a,b\n1,2\n")
    assert "has 1 columns 'a', but the model has 2 features;" in error_of(
        "score", tmp_path / "m", "-", stdin="a\n1\n"
    )


def test_rewindable_gives_the_same_bytes_twice_and_then_forgets_them():
    import io

    stream = Rewindable(io.BytesIO(b"abcdefgh"))
    assert stream.read(3) == b"abc"
    stream.rewind()
    assert stream.read(2) == b"ab"
    stream.rewind()
    stream.let_go()
    assert stream.readall() == b"abcdefgh"
    assert stream._kept == b""


# ---------------------------------------------------------------- sample and info


def test_sample(folder):
    header, *lines = output_of("sample", folder / "model", "-n", 5, "--seed", 3, "--labels").splitlines()
    assert header == "x,y,component"
    X, labels = MIXTURE.sample(5, random_state=3)
    values = np.array([line.split(",") for line in lines], dtype=float)
    assert np.array_equal(values, np.column_stack([X, labels]))
    records = json_of("sample", folder / "model", "-n", 5, "--seed", 3, "--json")
    assert records == [{"x": row[0], "y": row[1]} for row in X.tolist()]
    assert len(output_of("sample", folder / "model").splitlines()) == 1001
    assert len(output_of("sample", folder / "model", "-n", 70000).splitlines()) == 70001
    assert output_of("sample", folder / "model") != output_of("sample", folder / "model")


def test_sample_quotes_names_and_refuses_two_columns_of_one_name(tmp_path):
    save(MIXTURE, tmp_path / "m", feature_names=["a,b", "component"])
    assert output_of("sample", tmp_path / "m", "-n", 1).splitlines()[0] == '"a,b",component'
    assert "named 'component' already" in error_of("sample", tmp_path / "m", "--labels", code=2)


def test_names_in_the_header_of_a_sample_run_nothing(tmp_path):
    formula = "=HYPERLINK(1)"
    save(MIXTURE, tmp_path / "m", feature_names=[formula, "a\x1b[31m b"])
    result = run("sample", tmp_path / "m", "-n", 3, "--seed", 0)
    header, *lines = result.stdout.splitlines()
    assert header == r"'=HYPERLINK(1),a\x1b[31m b"
    values = np.array([line.split(",") for line in lines], dtype=float)
    assert np.array_equal(values, MIXTURE.sample(3, random_state=0)[0])
    assert result.stderr.splitlines() == [
        "warning: column '=HYPERLINK(1)' is printed as '=HYPERLINK(1), safe for spreadsheets and terminals",
        r"warning: column 'a\x1b[31m b' is printed as a\x1b[31m b, safe for spreadsheets and terminals",
    ]
    assert set(json_of("sample", tmp_path / "m", "-n", 1, "--json")) == {formula, "a\x1b[31m b"}
    for name in ("+1", "-1", " @x"):
        save(Mixture([1.0], [[0.0]], [1.0], "spherical"), tmp_path / "m", feature_names=[name])
        assert run("sample", tmp_path / "m").stdout.startswith(f"'{name}\n")


def test_names_of_files_and_features_move_no_cursor(tmp_path, X):
    red = "\x1b[31m"
    path = write_csv(tmp_path / f"{red}.csv", X[:100], [f"x{red}", "y"])
    told = output_of("fit", path, "-o", tmp_path / f"{red}.safetensors")
    for result in (
        run("fit", path, "-o", tmp_path / f"{red}.safetensors"),
        run("info", tmp_path / f"{red}.safetensors"),
        run("score", tmp_path / f"{red}.safetensors", path, "--columns", "z,y"),
        run("info", tmp_path / f"{red}-nowhere"),
        run("info", "model", f"{red}-another-argument"),
        run("simulate", path, "--learners", 1, "--tokens", 100, "--categories", 2),
    ):
        assert r"\x1b[31m" in result.output
        assert "\x1b" not in result.output
    assert rf"written to {tmp_path}/\x1b[31m.safetensors" in told


def test_info(folder):
    found = json_of("info", folder / "model", "--json")
    assert found["feature_names"] == ["x", "y"]
    assert found["n_samples_seen"] == 7
    assert found["info"] == {"site": "A"}
    assert found["covariances"] == MIXTURE.covariances.tolist()
    text = output_of("info", folder / "model")
    for words in ("covariance: diag", "rows seen: 7", "info site: A", "standard deviation", "0.2500"):
        assert words in text


def test_names_are_not_markup(tmp_path):
    save(MIXTURE, tmp_path / "m", feature_names=["[red]x[/]", "\x1b[31my"])
    text = output_of("info", tmp_path / "m")
    assert "[red]x[/]" in text
    assert r"\x1b[31my" in text
    assert "\x1b" not in text


# ---------------------------------------------------------------- processes


@contextlib.contextmanager
def start(*arguments, **options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with subprocess.Popen([*COMMAND, *map(str, arguments)], **pipes) as process:
        try:
            yield process
        finally:
            process.kill()  # so that a test that failed does not wait for it


def lines_within(stream, n_lines, seconds=30):
    """Read lines; a stream that does not give them makes the test fail, not hang."""
    lines = []
    reader = threading.Thread(
        target=lambda: lines.extend(stream.readline() for _ in range(n_lines)), daemon=True
    )
    reader.start()
    reader.join(seconds)
    assert not reader.is_alive(), f"only {len(lines)} lines came in {seconds} s"
    return lines


@pytest.mark.parametrize("command", ["score", "predict"])
@pytest.mark.parametrize("header", [b"x,y\n", b""])
def test_rows_are_answered_before_the_pipe_closes(folder, command, header):
    with start(command, folder / "model", "-") as process:
        process.stdin.write(header + b"1,2\n")
        process.stdin.flush()
        assert len(lines_within(process.stdout, 2)) == 2
        for _ in range(3):
            process.stdin.write(b"3,4\n")
            process.stdin.flush()
            assert lines_within(process.stdout, 1)[0].endswith(b"\n")
        assert process.communicate() == (b"", b"")
        assert process.returncode == 0


@pytest.mark.parametrize("arguments", [["sample", "-n", "1000000"], ["score"], ["info"]])
def test_a_reader_that_leaves_is_no_error(folder, arguments):
    command, *options = arguments
    files = [folder / "points.csv"] * 60 if command == "score" else []
    with start(command, folder / "model", *files, *options) as process:
        if command != "info":
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


INTERRUPT = """
import sys
MODULE, sys.argv = sys.argv[1], ["streamgmm", *sys.argv[2:]]
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            del sys.meta_path[0]
            RAISE
sys.meta_path.insert(0, Interrupt())
from streamgmm.cli import main
main()
"""
HIDDEN = "try: raise KeyboardInterrupt\n            except BaseException: raise ImportError('cannot load')"


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("click", "raise KeyboardInterrupt"),
        ("streamgmm.cli.app", "raise KeyboardInterrupt"),
        ("numpy", "raise KeyboardInterrupt"),
        ("numpy", HIDDEN),
    ],
)
def test_an_interrupt_while_importing_is_quiet(folder, module, error):
    code = INTERRUPT.replace("RAISE", error)
    command = [sys.executable, "-c", code, module, "fit", folder / "points.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_is_quiet(folder):
    heed = {
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    }  # a job in the background does not
    with start("score", folder / "model", "-", **heed) as process:
        process.stdin.write(b"x,y\n1,2\n")
        process.stdin.flush()
        lines_within(process.stdout, 2)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b""


def test_errors_end_the_process_with_one_line(folder):
    with start("fit", folder / "points.csv", "--columns", "z") as process:
        output, error = process.communicate()
        assert (process.returncode, output, error.count(b"\n")) == (1, b"", 1)
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full, start("info", folder / "model", stdout=full) as process:
            assert process.communicate()[1] == b"streamgmm: error: No space left on device\n"
            assert process.returncode == 1
        for arguments in (["--help"], ["--version"], ["fit", "--help"]):
            with open("/dev/full", "wb") as full, start(*arguments, stdout=full) as process:
                assert process.communicate()[1] == b"streamgmm: error: No space left on device\n"
                assert process.returncode == 1


def test_without_click_one_line_says_how_to_install_it():
    code = "import sys; sys.modules['click'] = None; from streamgmm.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "streamgmm: error: the command needs: pip install 'streamgmm[cli]'\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys;"
        "from streamgmm.cli.app import streamgmm;"
        "streamgmm.main(['--help'], standalone_mode=False);"
        "print([m for m in ('numpy', 'numba', 'scipy', 'sklearn', 'pyarrow', 'rich', 'safetensors')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_terminal_gets_a_progress_bar_and_the_speed(folder, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")  # a dumb terminal gets none
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    with start("fit", folder / "points.csv", "-k", 2, stderr=theirs) as process:
        os.close(theirs)
        output = process.communicate()[0]
        shown = b""
        with contextlib.suppress(OSError):  # which is how Linux tells that the other end is closed
            while chunk := os.read(ours, 1 << 16):
                shown += chunk
        os.close(ours)
    assert process.returncode == 0
    assert b"rows seen: 3000" in output
    assert b"\x1b" not in output
    assert b"rows/s" in shown
    assert b"\x1b" in shown


# --- simulate ----------------------------------------------------------------------------------------------


def test_simulate_prints_a_summary():
    result = run("simulate", "vot", "--learners", 2, "--tokens", 400, "--threshold", 0.01, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["cues"], told["n_learners"], told["n_tokens"]) == (["vot_ms"], 2, 400)
    assert sum(told["counts"].values()) == 2
    assert all(len(one["means"]) == one["n_categories"] for one in told["learners"])
    again = run("simulate", "vot", "--learners", 2, "--tokens", 400, "--threshold", 0.01, "--json")
    assert again.stdout == result.stdout
    text = run("simulate", "vot", "--learners", 2, "--tokens", 400, "--no-competition", "--measured").stdout
    assert text.startswith("2 learners, 400 tokens each of vot_ms\n")


def test_simulate_learns_a_files_cues_in_their_units(tmp_path):
    path = tmp_path / "a.csv"
    rows = np.random.default_rng(0).normal([1000.0, -5.0], [10.0, 0.1], (200, 2))
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))
    result = run("simulate", path, "--cues", "b,a", "--learners", 1, "--tokens", 500, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["cues"] == ["b", "a"]
    means = np.array(told["learners"][0]["means"])
    assert (np.abs(means - [-5.0, 1000.0]) < [1.0, 100.0]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vot", "--cues", "f1_hz"], "`cues` must be some of 'vot_ms', 'vowel_ms'"),
        (["vowels", "--cues", "vot_ms"], "--cues: vowels has dur_ms, f0_hz, f1_hz, f2_hz, f3_hz, got vot_ms"),
        (["vowels", "--measured"], "--measured belongs to vot"),
        (["missing.csv"], "missing.csv: there is no such file"),
        (["vot", "--tokens", 3, "--threshold", 0.01], "categories survive 3 tokens"),
    ],
)
def test_simulate_says_what_is_wrong(arguments, message):
    result = run("simulate", *arguments, "--learners", 1)
    assert result.exit_code != 0
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_simulate_draws_figures(tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "out"
    arguments = ["--cues", "f1_hz,f2_hz,dur_ms", "--learners", 2, "--tokens", 500, "-o", folder]
    result = run("simulate", "vowels", *arguments)
    assert result.exit_code == 0, result.output
    names = {"tokens", "trajectories", "survivors", "cue-weights", "identification"}
    assert {path.stem for path in folder.glob("*.png")} == names
    assert json.loads((folder / "summary.json").read_text())["n_learners"] == 2
