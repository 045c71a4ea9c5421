"""Model files: what is saved comes back to the last bit, and nothing else is taken for a model."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors
from sklearn.datasets import load_iris, load_wine
from sklearn.mixture import GaussianMixture as Other

from streamgmm import GaussianMixture, Mixture, OnlineGaussianMixture, load, persistence, save
from streamgmm.persistence import ModelFileError, load_metadata

TYPES = ("full", "tied", "diag", "spherical")


def make_mixture(covariance_type="full", n_components=3, n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    matrices = rng.normal(size=(n_components, n_features, n_features))
    full = matrices @ matrices.transpose(0, 2, 1) + np.eye(n_features)
    covariances = {
        "full": full,
        "tied": full[0],
        "diag": np.diagonal(full, axis1=1, axis2=2),
        "spherical": full[:, 0, 0],
    }[covariance_type]
    return Mixture(
        rng.dirichlet(np.ones(n_components)),
        rng.normal(size=(n_components, n_features)),
        covariances,
        covariance_type,
    )


def write_raw(path, tensors, **description):
    """Write a file as `save` would, with a valid checksum, around any contents."""
    described = {
        "format": "streamgmm",
        "format_version": 1,
        "streamgmm_version": "0",
        "covariance_type": "full",
        "feature_names": None,
        "n_samples_seen": None,
        "info": {},
    } | description
    whole = {name: tensors.get(name, np.zeros(0)) for name in ("log_weights", "means", "factor")}
    described["sha256"] = persistence._digest(whole, described)
    path.write_bytes(save_tensors(tensors, metadata={"streamgmm": json.dumps(described)}))


def tensors_of(mixture):
    return {name: np.array(getattr(mixture, name)) for name in ("log_weights", "means", "factor")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(("n_components", "n_features"), [(1, 1), (3, 2), (5, 30)])
def test_the_mixture_comes_back_bit_for_bit(path, covariance_type, n_components, n_features):
    mixture = make_mixture(covariance_type, n_components, n_features)
    save(mixture, path)
    loaded = load(path)
    assert loaded == mixture
    assert loaded.covariance_type == covariance_type
    X = mixture.sample(50, random_state=1)[0]
    assert np.array_equal(loaded.log_prob(X), mixture.log_prob(X))


def test_a_component_without_weight_and_odd_memory_layouts_survive(path):
    mixture = Mixture([0.0, 1.0], np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2)), "diag")
    save(mixture, str(path))
    assert load(str(path)) == mixture
    assert load(path).log_weights[0] == -np.inf


def test_an_estimator_is_saved_as_its_mixture(path):
    X = np.random.default_rng(0).normal(size=(300, 2))
    estimator = OnlineGaussianMixture(2, random_state=0).partial_fit(X)
    save(estimator, path)
    assert load(path) == estimator.to_mixture()
    assert load_metadata(path)["n_samples_seen"] == 300
    assert load_metadata(path)["feature_names"] is None


def sklearn_fits():
    yield Other(3, random_state=0).fit(load_iris().data)
    yield Other(3, random_state=0).fit(load_wine().data)
    for seed in range(240):
        rng = np.random.default_rng(seed)
        n_components, n_features = (int(size) for size in rng.integers(1, 6, 2))
        mixing = rng.normal(size=(n_features, n_features))
        covariance_type = TYPES[seed % 2]
        model = Other(n_components, covariance_type=covariance_type, tol=1e9, random_state=0)
        yield model.fit(rng.normal(size=(40, n_features)) @ mixing)


def test_what_scikit_learn_fitted_is_saved(path):
    for theirs in sklearn_fits():
        save(GaussianMixture.from_sklearn(theirs), path)
        np.testing.assert_allclose(load(path).covariances, theirs.covariances_, rtol=1e-7, atol=1e-12)


def test_an_estimator_is_saved_after_its_means_were_set_by_hand(path):
    model = GaussianMixture(3, random_state=0).fit(load_wine().data)
    model.means_ = model.means_ + 1.0
    online = OnlineGaussianMixture.from_mixture(model.to_mixture())
    for each in (model, online):
        save(each, path)
        np.testing.assert_array_equal(load(path).means, model.means_)


def test_metadata_comes_back(path):
    info = {"site": 7, "tags": ["a", None], "nested": {"é": 0.1}}
    save(make_mixture(), path, feature_names=["x", "größe"], n_samples_seen=12, metadata=info)
    metadata = load_metadata(path)
    assert metadata["info"] == info
    assert metadata["feature_names"] == ["x", "größe"]
    assert metadata["n_samples_seen"] == 12
    assert (metadata["format"], metadata["format_version"]) == ("streamgmm", 1)


@pytest.mark.parametrize("metadata", [{"a": object()}, {"a": float("nan")}, {"a": {1, 2}}])
def test_metadata_that_is_not_json_is_refused(path, metadata):
    with pytest.raises(ValueError, match="`metadata` must hold what JSON can"):
        save(make_mixture(), path, metadata=metadata)
    assert os.listdir(path.parent) == []


def test_what_is_no_mixture_is_not_saved(path):
    with pytest.raises(TypeError, match="`model` must be a Mixture or a fitted estimator, got dict"):
        save({}, path)
    with pytest.raises(ValueError, match="means and factor must be finite"):
        save(Mixture.from_factor([0.0], [[np.nan]], [[1.0]], "diag"), path)
    with pytest.raises(ValueError, match="feature_names must be 2 strings"):
        save(make_mixture(), path, feature_names=["a"])
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("step", [97])
def test_a_cut_off_file_is_refused_wherever_it_is_cut(path, step):
    save(make_mixture(n_components=5, n_features=4), path, feature_names=list("abcd"))
    data = path.read_bytes()
    for length in [*range(0, len(data), step), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_a_changed_byte_is_refused_or_changes_nothing(path):
    mixture = make_mixture()
    save(mixture, path, metadata={"site": 7})
    metadata = load_metadata(path)
    data = path.read_bytes()
    refusals = []
    for index in range(0, len(data), 7):
        changed = bytearray(data)
        changed[index] ^= 1 << (index % 8)
        path.write_bytes(changed)
        try:
            assert load(path) == mixture
            assert load_metadata(path) == metadata
        except ModelFileError as error:
            refusals.append(str(error))
    assert len(refusals) > len(data) / 7 - 3
    assert all(refusal.startswith(f"{path}: ") and "\n" not in refusal for refusal in refusals)


def test_appended_bytes_are_refused(path):
    save(make_mixture(), path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ModelFileError):
        load(path)


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"", "is empty"),
        (b"x,y\n1,2\n3,4\n", "is not a model file"),
        (b"{}", "is not a model file"),
        (save_tensors({"a": np.zeros(3)}), "another safetensors file"),
        (save_tensors({"a": np.zeros(3)}, metadata={"format": "pt"}), "another safetensors file"),
        (save_tensors({"a": np.zeros(3)}, metadata={"streamgmm": "{"}), "is damaged"),
        (save_tensors({"a": np.zeros(3)}, metadata={"streamgmm": "[]"}), "is damaged"),
    ],
)
def test_what_is_no_model_file_is_refused(path, contents, says):
    path.write_bytes(contents)
    for reader in (load, load_metadata):
        with pytest.raises(ModelFileError, match=says) as caught:
            reader(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such file"):
        load(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match="must be a regular file, got a directory"):
        load(tmp_path)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_version_is_refused_by_name(path, version):
    write_raw(path, tensors_of(make_mixture()), format_version=version)
    with pytest.raises(
        ModelFileError, match=f"has format version {version!r}, but streamgmm .* reads only 1"
    ):
        load(path)


def change(name, value):
    return lambda tensors: tensors | {name: np.array(value)}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (change("means", [[0.0, 1.0]]), "log_weights must have shape"),
        (change("means", [0.0, 1.0, 2.0]), "means must have shape"),
        (change("means", np.zeros((3, 0))), "means must have shape"),
        (change("factor", np.ones((3, 2))), "factor must have shape"),
        (change("means", np.full((3, 2), np.nan)), "must be finite"),
        (change("factor", np.full((3, 2, 2), np.inf)), "must be finite"),
        (change("log_weights", np.zeros(3)), "must sum to one"),
        (change("log_weights", np.full(3, -1.0)), "must sum to one"),
        (change("log_weights", np.full(3, np.nan)), "must sum to one"),
        (change("log_weights", [np.inf, 0.0, 0.0]), "must sum to one"),
        (change("factor", np.stack([np.eye(2), np.eye(2), np.diag([1.0, 0.0])])), "must be positive"),
        (change("factor", -np.stack([np.eye(2)] * 3)), "must be positive"),
        (change("factor", np.ones((3, 2, 2))), "lower triangular"),
        (change("extra", [1.0]), "must hold log_weights, means, factor"),
        (change("means", np.zeros((3, 2), np.float32)), "means must be F64, got F32"),
        (change("means", np.zeros((3, 2), np.int64)), "means must be F64, got I64"),
        (lambda tensors: {"means": tensors["means"]}, "must hold log_weights, means, factor"),
    ],
)
def test_tensors_that_are_no_mixture_are_refused(path, changed, says):
    write_raw(path, changed(tensors_of(make_mixture())))
    with pytest.raises(ModelFileError, match=says) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: holds no mixture: ")


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ({"covariance_type": "box"}, "must be one of full, tied, diag, spherical, got 'box'"),
        ({"covariance_type": ["full"]}, "must be one of"),
        ({"covariance_type": "diag"}, "factor must have shape"),
        ({"feature_names": ["a"]}, "feature_names must be 2 strings"),
        ({"feature_names": [1, 2]}, "feature_names must be 2 strings"),
        ({"n_samples_seen": -1}, "n_samples_seen must be a number of rows"),
        ({"info": None}, "info must be a JSON object"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(path, description, says):
    tensors = tensors_of(make_mixture())
    write_raw(path, tensors)
    assert load(path) == make_mixture()
    write_raw(path, tensors, **description)
    with pytest.raises(ModelFileError, match=says):
        load(path)


@pytest.fixture(params=["unnamed", "named"])
def temporary_file(request, monkeypatch):
    """Write files as Linux can, and as other systems do."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return request.param


@pytest.mark.usefixtures("temporary_file")
@pytest.mark.parametrize("stage", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(path, monkeypatch, stage, error):
    old = make_mixture(seed=1)
    save(old, path)

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, stage, fail)
        with pytest.raises((ModelFileError, KeyboardInterrupt)) as caught:
            save(make_mixture(seed=2), path)
    if isinstance(error, OSError):
        assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert load(path) == old
    assert os.listdir(path.parent) == [path.name]


def has_unnamed_files(folder):
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
    except (AttributeError, OSError):
        return False
    return True


@pytest.mark.parametrize("is_there", [False, True])
def test_a_save_that_is_killed_leaves_nothing_behind(path, is_there):
    if not has_unnamed_files(path.parent):
        pytest.skip("a file without a name is needed, which only Linux has, not in all file systems")
    if is_there:
        save(make_mixture(seed=1), path)
    code = (
        "import os, signal, sys; from streamgmm import Mixture, save;"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL);"
        "save(Mixture([1.0], [[0.0]], [1.0], 'spherical'), sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(path.parent) == ([path.name] if is_there else [])
    if is_there:
        assert load(path) == make_mixture(seed=1)


@pytest.mark.usefixtures("temporary_file")
def test_a_new_file_has_the_mode_that_other_new_files_have(path):
    save(make_mixture(), path)
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("n_features", [1, 500])
def test_a_model_file_is_known_by_its_beginning(path, n_features):
    mixture = Mixture([1.0], [np.zeros(n_features)], [1.0], "spherical")
    save(mixture, path, feature_names=[f"a long name {index}" for index in range(n_features)])
    assert persistence.is_model(path.read_bytes()[:1024])


@pytest.mark.parametrize(
    "contents",
    [
        b"weights {of mine}",
        b'        {"a": 1}',
        save_tensors({"log_weights": np.zeros(1)}),
        save_tensors({"a": np.zeros(1)}, metadata={"format": "streamgmm"}),
        b'{"__metadata__":{"streamgmm":"',
    ],
)
def test_what_has_a_brace_at_its_ninth_byte_is_no_model_for_that(path, contents):
    path.write_bytes(contents)
    assert not persistence.is_model(contents)
    with pytest.raises(ModelFileError, match="is not a model file, and is not replaced by one"):
        persistence.require_replaceable(path, persistence.is_model, "a model file")


def test_control_characters_in_names_are_shown_as_escapes():
    with pytest.raises(ModelFileError) as caught:
        load("no\x1b[31m\nwhere")
    assert str(caught.value) == r"no\x1b[31m\nwhere: there is no such file"


@pytest.mark.usefixtures("temporary_file")
def test_saving_again_replaces_the_file_and_keeps_its_mode_and_links(path, tmp_path):
    save(make_mixture(seed=1), path)
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path.name)
    save(make_mixture(seed=2), link)
    assert link.is_symlink()
    assert load(path) == make_mixture(seed=2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_places_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(ModelFileError, match="folder does not exist"):
        save(make_mixture(), tmp_path / "nowhere" / "model.safetensors")
    with pytest.raises(ModelFileError, match="must be a regular file, got a directory"):
        save(make_mixture(), tmp_path)
    with pytest.raises(ModelFileError, match="must be a regular file, got a device or pipe"):
        save(make_mixture(), os.devnull)
    assert not os.path.isfile(os.devnull)
