"""Model files: a mixture's arrays as safetensors, with JSON beside them; written whole or not at all.

A file holds the tensors ``log_weights``, ``means`` and ``factor`` as a `Mixture` stores them, and under
``streamgmm`` JSON that says what the model is, with a SHA-256 digest of all of it. Reading a file never runs
code from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import covariance
from ._words import printable
from .mixture import Mixture, mixture_of
from .statistics import Array

if TYPE_CHECKING:
    from .estimators import GaussianMixture, OnlineGaussianMixture

__all__ = ["ModelFile", "ModelFileError", "load", "load_metadata", "read", "save"]

FORMAT = "streamgmm"
FORMAT_VERSION = 1

_DIGEST = "sha256"
_TENSORS = ("log_weights", "means", "factor")
_NORMALIZED = 1e-6
_HEAD = re.compile(rb'\{\s*"__metadata__"\s*:\s*\{\s*"%b"' % FORMAT.encode())  # after the header's length


class ModelFileError(ValueError):
    """A model file cannot be read or written; the message begins with its name.

    Control characters in names are shown as escapes.

    Examples
    --------
    >>> from streamgmm import load
    >>> load("nowhere.safetensors")
    Traceback (most recent call last):
    ...
    streamgmm.persistence.ModelFileError: nowhere.safetensors: there is no such file
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ModelFile(NamedTuple):
    """What a model file holds: the mixture, and the dictionary that `load_metadata` describes."""

    mixture: Mixture
    metadata: dict[str, Any]


def save(
    model: Mixture | GaussianMixture | OnlineGaussianMixture,
    path: str | os.PathLike[str],
    *,
    feature_names: Sequence[str] | None = None,
    n_samples_seen: int | None = None,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write a mixture to a file; if that fails, a file that was there stays as it was.

    Parameters
    ----------
    model : Mixture, GaussianMixture or OnlineGaussianMixture
        Of an estimator, its mixture is written, with the names and the number of rows it saw.
    path : path-like
        By custom ending in ``.safetensors``. An existing file is replaced.
    feature_names : sequence of str, optional
        By default the estimator's ``feature_names_in_``, if it has them.
    n_samples_seen : int, optional
        By default the estimator's ``n_samples_seen_``.
    metadata : mapping, optional
        Anything that JSON can hold; `load_metadata` gives it back under ``"info"``.

    Raises
    ------
    ModelFileError
        If the file cannot be written.
    TypeError, ValueError
        If the model cannot be saved: not a mixture, numbers that are no mixture's, metadata that is not JSON.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from streamgmm import Mixture, load, save
    >>> mixture = Mixture([0.3, 0.7], [[0.0], [4.0]], [1.0, 2.0], "spherical")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.safetensors")
    ...     save(mixture, path, feature_names=["height"], metadata={"made from": "a drawing"})
    ...     load(path) == mixture
    True
    """
    mixture = mixture_of(model)
    if feature_names is None:
        feature_names = getattr(model, "feature_names_in_", None)
    if n_samples_seen is None:
        n_samples_seen = getattr(model, "n_samples_seen_", None)
    tensors = {name: np.ascontiguousarray(getattr(mixture, name)) for name in _TENSORS}
    description = _json_copy(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "streamgmm_version": _version(),
            "covariance_type": mixture.covariance_type,
            "feature_names": None if feature_names is None else [str(name) for name in feature_names],
            "n_samples_seen": None if n_samples_seen is None else int(n_samples_seen),
            "info": dict(metadata or {}),
        }
    )
    wrong = _wrong_parameters(tensors, description)
    if wrong:
        raise ValueError(f"the model cannot be saved: {wrong}")
    from safetensors.numpy import save as serialize

    signed = description | {_DIGEST: _digest(tensors, description)}
    write_whole(path, serialize(tensors, metadata={FORMAT: json.dumps(signed)}))


def load(path: str | os.PathLike[str]) -> Mixture:
    """Read the mixture from a model file, the same to the last bit.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Mixture

    Raises
    ------
    ModelFileError
        If there is no such file, it is not a model file, of another format version, or damaged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from streamgmm import Mixture, load, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.safetensors")
    ...     save(Mixture([1.0], [[0.1]], [[[2.0]]]), path)
    ...     load(path).means
    array([[0.1]])
    """
    return read(path).mixture


def load_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a model file says about its mixture.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict
        ``format``, ``format_version``, ``streamgmm_version``, ``covariance_type``, ``feature_names`` and
        ``n_samples_seen`` (None if not known), and ``info``, the metadata given to `save`.

    Raises
    ------
    ModelFileError
        As `load`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from streamgmm import Mixture, save
    >>> from streamgmm.persistence import load_metadata
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.safetensors")
    ...     save(Mixture([1.0], [[0.1]], [[[2.0]]]), path, metadata={"site": 7})
    ...     load_metadata(path)["info"]
    {'site': 7}
    """
    return read(path).metadata


def read(path: str | os.PathLike[str]) -> ModelFile:
    """Read the mixture and the metadata, as `load` and `load_metadata` do, together."""
    name = os.fspath(path)
    _require_file(name)
    tensors, description = _parsed(name)
    digest = description.pop(_DIGEST, None)
    if digest != _digest(tensors, description):
        raise ModelFileError(f"{name}: is damaged: its contents do not agree with their checksum")
    wrong = _wrong_parameters(tensors, description)
    if wrong:
        raise ModelFileError(f"{name}: holds no mixture: {wrong}")
    log_weights, means, factor = (tensors[key] for key in _TENSORS)
    mixture = Mixture.from_factor(log_weights, means, factor, description["covariance_type"])
    return ModelFile(mixture, description)


def require_writable(path: str | os.PathLike[str]) -> str:
    """Return the file to write, links followed; raise ModelFileError if that cannot work."""
    name = os.fspath(path)
    target = os.path.realpath(name)
    folder = os.path.dirname(target)
    if os.path.exists(target) and not os.path.isfile(target):
        what = "directory" if os.path.isdir(target) else "device or pipe"
        raise ModelFileError(f"{name}: must be a regular file, got a {what}")
    if not os.path.isdir(folder):
        raise ModelFileError(f"{name}: cannot be written: its folder does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ModelFileError(f"{name}: cannot be written: its folder is not writable")
    return target


def require_replaceable(
    path: str | os.PathLike[str], is_of_kind: Callable[[bytes], bool], kind: str, by: str = "one"
) -> None:
    """Raise before any work is done if a file cannot be written, or would replace one of another kind.

    Parameters
    ----------
    path : path-like
    is_of_kind : callable
        Whether the first 1024 bytes of a file that is there are those of such a file. An empty file is.
    kind : str
        What it should be, with its article.
    by : str, default="one"
        What would replace it.

    Raises
    ------
    ModelFileError
    """
    try:
        with open(require_writable(path), "rb") as file:
            head = file.read(1024)
    except FileNotFoundError:
        return
    if head and not is_of_kind(head):
        raise ModelFileError(f"{os.fspath(path)}: is not {kind}, and is not replaced by {by}")


def is_model(head: bytes) -> bool:
    """Return whether a file that begins so is a model file, or was one before it was cut off or damaged."""
    return _HEAD.match(head, 8) is not None


def _version() -> str:
    from streamgmm import __version__

    return __version__


def _json_copy(description: dict[str, Any]) -> dict[str, Any]:
    """Return the description as it will be read again."""
    try:
        copy: dict[str, Any] = json.loads(json.dumps(description, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"`metadata` must hold what JSON can: {error}") from error
    return copy


def _digest(tensors: Mapping[str, Array], description: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for key in _TENSORS:
        digest.update(f"{key} {tensors[key].shape}".encode())
        digest.update(tensors[key].astype("<f8").tobytes())
    return digest.hexdigest()


def _require_file(name: str) -> None:
    if not os.path.exists(name):
        raise ModelFileError(f"{name}: there is no such file")
    if not os.path.isfile(name):
        what = "directory" if os.path.isdir(name) else "device or pipe"
        raise ModelFileError(f"{name}: must be a regular file, got a {what}")
    if os.path.getsize(name) == 0:
        raise ModelFileError(f"{name}: is empty, not a model file")


def _parsed(name: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the tensors and the description of a file that says it is ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(name, framework="np") as file:
            description = _description(name, file.metadata() or {})
            if sorted(file.keys()) != sorted(_TENSORS):
                raise ModelFileError(
                    f"{name}: holds no mixture: must hold {', '.join(_TENSORS)}, "
                    f"got {', '.join(sorted(file.keys())) or 'nothing'}"
                )
            for key in _TENSORS:
                dtype = file.get_slice(key).get_dtype()
                if dtype != "F64":
                    raise ModelFileError(f"{name}: holds no mixture: {key} must be F64, got {dtype}")
            return {key: file.get_tensor(key) for key in _TENSORS}, description
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ModelFileError(f"{name}: is not a model file, or cut off or damaged: {reason}") from error


def _description(name: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    if FORMAT not in metadata:
        raise ModelFileError(f"{name}: is not a model file of streamgmm's, but another safetensors file")
    try:
        description = json.loads(metadata[FORMAT])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name}: is damaged: its description is not JSON") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ModelFileError(f"{name}: is damaged: its description names no format")
    version = description.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"{name}: has format version {version!r}, but streamgmm {_version()} reads only "
            f"{FORMAT_VERSION}; it was written by streamgmm {description.get('streamgmm_version')}"
        )
    return description


def _wrong_parameters(tensors: Mapping[str, Array], description: Mapping[str, Any]) -> str | None:
    """Say what keeps these arrays and this description from being a mixture."""
    log_weights, means, factor = (tensors[key] for key in _TENSORS)
    kind = description.get("covariance_type")
    if kind not in covariance.names():
        return f"the covariance type must be one of {', '.join(covariance.names())}, got {kind!r}"
    if means.ndim != 2 or 0 in means.shape:
        return f"means must have shape (n_components, n_features), got {means.shape}"
    for key, shape in (
        ("log_weights", means.shape[:1]),
        ("factor", covariance.get(kind).shape(*means.shape)),
    ):
        if tensors[key].shape != shape:
            return f"{key} must have shape {shape}, got {tensors[key].shape}"
    if not (np.isfinite(means).all() and np.isfinite(factor).all()):
        return "means and factor must be finite"
    if np.isnan(log_weights).any() or not abs(np.exp(np.minimum(log_weights, 1.0)).sum() - 1.0) < _NORMALIZED:
        return f"the weights must sum to one, got {np.exp(np.minimum(log_weights, 1.0)).tolist()}"
    return covariance.get(kind).fault(factor) or _wrong_names(description, means.shape[1])


def _wrong_names(description: Mapping[str, Any], n_features: int) -> str | None:
    names, rows = description.get("feature_names"), description.get("n_samples_seen")
    if names is not None and not (
        isinstance(names, list) and len(names) == n_features and all(isinstance(name, str) for name in names)
    ):
        return f"feature_names must be {n_features} strings, got {names!r}"
    if rows is not None and not (isinstance(rows, int) and rows >= 0):
        return f"n_samples_seen must be a number of rows, got {rows!r}"
    if not isinstance(description.get("info"), dict):
        return "info must be a JSON object"
    return None


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Put data where path says: all of it, or nothing.

    On Linux a file that is written has no name before it is whole, so that nothing is left of it should the
    process be killed.
    """
    target = require_writable(path)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.tmp")
    try:
        mode = stat.S_IMODE(os.stat(target).st_mode) if os.path.exists(target) else None
        created = 0o666 if mode is None else 0o600
        try:
            try:
                _write(os.open(folder, os.O_TMPFILE | os.O_WRONLY, created), data, link=temporary)
            except (AttributeError, OSError):  # not on this system, or not in this folder
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
                _write(os.open(temporary, flags, created), data)
            if mode is not None:
                os.chmod(temporary, mode)
            os.replace(temporary, target)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelFileError(f"{os.fspath(path)}: cannot be written: {reason}") from error


def _write(descriptor: int, data: bytes, link: str | None = None) -> None:
    """Write data to an open file, and give the file a name if it has none."""
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
        if link is not None:
            os.link(
                f"/proc/self/fd/{descriptor}", link, src_dir_fd=descriptor
            )  # else the link is not followed
