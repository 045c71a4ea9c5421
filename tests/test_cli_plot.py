"""`streamgmm plot`: pictures in three formats, of the right features and rows."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
from click.testing import CliRunner

from streamgmm import Mixture, save
from streamgmm.cli.app import streamgmm
from streamgmm.plots import _inputs

pytest.importorskip("matplotlib")

PLANE = Mixture([0.25, 0.75], [[0.0, 10.0], [5.0, -10.0]], [[1.0, 4.0], [2.0, 1.0]], "diag")
SPACE = Mixture([0.5, 0.5], np.arange(6.0).reshape(2, 3) * 9, [1.0, 2.0], "spherical")
BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(PLANE, "plane.safetensors", feature_names=["left", "up"])
    save(SPACE, "space.safetensors", feature_names=["a", "b", "c"])
    for name, mixture, columns in (("plane", PLANE, "left,up"), ("space", SPACE, "a,b,c")):
        rows = mixture.sample(300, random_state=0)[0]
        np.savetxt(f"{name}.csv", rows, delimiter=",", header=columns, comments="")
    return tmp_path


def run(*arguments, stdin=None):
    return CliRunner().invoke(streamgmm, ["plot", *arguments], input=stdin)


def texts(folder, name):
    """Return what matplotlib wrote as comments beside the letters of an SVG."""
    return re.findall(r"<!-- (.*?) -->", (folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("suffix", list(BEGINNINGS))
@pytest.mark.parametrize("model", ["plane", "space"])
def test_formats(folder, model, suffix):
    output = f"picture.{suffix}"
    for data in ([], [f"{model}.csv"]):
        result = run(f"{model}.safetensors", *data, "-o", output)
        assert result.exit_code == 0, result.stderr
        assert result.stdout == f"written to {output}\n"
        first = (folder / output).read_bytes()
        assert first.startswith(BEGINNINGS[suffix])
        run(f"{model}.safetensors", *data, "-o", output)
        assert (folder / output).read_bytes() == first
    assert sorted(path.suffix for path in folder.iterdir()).count(".tmp") == 0


def test_what_is_drawn(folder):
    run("plane.safetensors", "-o", "without.svg")
    run("plane.safetensors", "plane.csv", "-o", "with.svg")
    assert {"left", "up"} <= set(texts(folder, "with.svg"))
    used = [
        (folder / name).read_text(encoding="utf-8").count("<use ") for name in ("without.svg", "with.svg")
    ]
    assert used[1] >= used[0] + 300  # a mark for each row


def test_features_and_columns(folder):
    assert run("space.safetensors", "--features", "c,a", "-o", "two.svg").exit_code == 0
    assert {"a", "c"} <= set(texts(folder, "two.svg"))
    assert "b" not in texts(folder, "two.svg")
    assert run("space.safetensors", "--features", "b", "-o", "one.svg").exit_code == 0
    assert {"b", "density"} <= set(texts(folder, "one.svg"))
    rows = (folder / "plane.csv").read_text(encoding="utf-8").replace("left,up", "y,x")
    arguments = ["plane.safetensors", "-", "--columns", "y,x", "-o", "stdin.png"]
    assert run(*arguments, stdin=rows).exit_code == 0


def test_rows_are_sampled(folder):
    rows = PLANE.sample(20_000, random_state=0)[0]
    np.savetxt("many.csv", rows, delimiter=",", header="left,up", comments="")
    assert run("plane.safetensors", "many.csv", "-o", "many.svg").exit_code == 0
    used = (folder / "many.svg").read_text(encoding="utf-8").count("<use ")
    assert 2000 <= used < 2200


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plane.safetensors"], 2, "Missing option '--output'"),
        (["plane.safetensors", "-o", "x.gif"], 2, "--output must end in .png, .svg, .pdf, got 'x.gif'"),
        (["plane.safetensors", "-o", "x.png", "--features", "down"], 2, "the model has left, up, got 'down'"),
        (["plane.safetensors", "-o", "x.png", "--columns", "left"], 2, "--columns chooses columns of FILES"),
        (["none.safetensors", "-o", "x.png"], 1, "none.safetensors"),
        (["plane.safetensors", "none.csv", "-o", "x.png"], 1, "none.csv: there is no such file"),
        (["plane.safetensors", "space.csv", "-o", "x.png"], 1, "space.csv: has 3 columns"),
        (["plane.safetensors", "-o", "none/x.png"], 1, "its folder does not exist"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(folder, arguments, code, message):
    was = b"\x89PNG, as it was"
    (folder / "x.png").write_bytes(was)
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert (folder / "x.png").read_bytes() == was


def test_what_is_no_picture_is_not_replaced_by_one(folder):
    for name in ("plane.png", "plane.svg", "plane.pdf"):
        (folder / name).write_bytes((folder / "plane.safetensors").read_bytes())
        result = run(name, "-o", name)
        assert result.exit_code == 1
        assert f"{name}: is not a {name[-3:].upper()} file, and is not replaced by one" in result.stderr
        assert (folder / name).read_bytes() == (folder / "plane.safetensors").read_bytes()


def test_names_are_words_and_not_formulas(folder):
    save(PLANE, "odd.safetensors", feature_names=["$\\foo$", "\u6f22"])
    result = run("odd.safetensors", "-o", "odd.svg")
    assert result.exit_code == 0, result.stderr
    assert "$\\foo$" in texts(folder, "odd.svg")
    assert all(line.startswith("warning: ") for line in result.stderr.splitlines())


def test_rows_are_those_of_the_file(folder, monkeypatch):
    """What is handed to the display: the model's features, and rows in the model's order of columns."""
    from streamgmm.plots import MixtureDisplay

    seen = {}

    def spy(estimator, X=None, **options):
        seen.update(X=X, **options)
        return original(estimator, X, **options)

    original = MixtureDisplay.from_estimator
    monkeypatch.setattr(MixtureDisplay, "from_estimator", spy)
    rows = np.loadtxt("plane.csv", delimiter=",", skiprows=1)
    np.savetxt("swapped.csv", rows[:, ::-1], delimiter=",", header="up,left", comments="")
    assert run("plane.safetensors", "swapped.csv", "-o", "x.png").exit_code == 0
    np.testing.assert_allclose(seen["X"], rows)
    assert seen["marginals"] is True
    assert seen["feature_names"] == ["left", "up"]


def test_without_matplotlib(folder, monkeypatch):
    monkeypatch.setattr(_inputs, "find_spec", lambda name: None)
    result = run("plane.safetensors", "-o", "x.png")
    assert result.exit_code == 1
    assert "pictures need matplotlib: pip install 'streamgmm[plot]'" in result.stderr
    assert importlib.util.find_spec("matplotlib") is not None
