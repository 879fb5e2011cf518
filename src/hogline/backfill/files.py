"""Which files a source names, and how each is opened: paths, folders, globs, and addresses through fsspec.

Knows nothing of what is in a file, except for manifests.
"""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import msgspec
from msgspec import Struct

STDIN = "-"
_WILD = "*?["
_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "https": "https", "http": "https"}
"""Schemes of addresses, each with the extra of the package that reads them."""
_MANIFEST = "_manifest.json"


class CannotRead(Exception):
    """The text is one sentence: what cannot be read, why, and what to do."""


class Place(Struct, frozen=True):
    """Where a file is, for another process that is to open it too."""

    source: str
    """A path on this machine, or an address in the same bucket."""
    path: str = ""
    """In the bucket; empty: `source` is a path on this machine."""


class File(Struct, frozen=True):
    name: str
    """As it is shown: without the query of an address, which may hold a signature."""
    open: Callable[[], BinaryIO]
    stamp: Callable[[BinaryIO], object]
    """What is different once the file was changed."""
    seekable: bool = True
    lasts: bool = True
    """It can be read again under the same name."""
    place: Place | None = None
    """None: only this process can read it."""
    size_bytes: Callable[[], int] = int


def files_of(sources: Sequence[str]) -> list[File]:
    """The files that these sources name, each once, sorted by name within a source. Raises `CannotRead`."""
    found: dict[str, File] = {}
    for source in sources:
        for file in _files_of(source):
            found.setdefault(file.name, file)
    return list(found.values())


def _files_of(source: str) -> Iterator[File]:
    if source == STDIN:
        yield File("", _stdin, lambda _: None, seekable=False, lasts=False)
        return
    scheme, separator, _ = source.partition("://")
    if not separator:
        names = _local(source)
        yield from (_local_file(name) for name in _listed(names, source, lambda name: Path(name).read_bytes()))
    elif scheme in _EXTRAS:
        yield from _remote(source, scheme)
    else:
        raise CannotRead(f"{scheme}:// is none of the addresses that can be read: s3://, gs://, az://, https://.")


def _stdin() -> BinaryIO:
    # Without its buffer, which waits until it is full.
    return cast("BinaryIO", getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))


def _local(source: str) -> list[str]:
    path = Path(source)
    if path.is_dir():
        return sorted(str(inner) for inner in path.rglob("*") if inner.is_file())
    if not path.exists() and any(mark in source for mark in _WILD):
        return sorted(name for name in glob.glob(source, recursive=True) if Path(name).is_file())  # noqa: PTH207  # absolute ones too
    if not path.exists():
        raise CannotRead(f"{source} cannot be read: {os.strerror(2)}.")
    return [source]


def _local_file(name: str) -> File:
    seekable = Path(name).is_file()

    def opened() -> BinaryIO:
        return Path(name).open("rb") if seekable else cast("BinaryIO", Path(name).open("rb", buffering=0))

    def stamp(stream: BinaryIO) -> object:
        now = os.fstat(stream.fileno())
        return (now.st_size, now.st_mtime_ns) if stat.S_ISREG(now.st_mode) else None

    place = Place(name) if seekable else None
    return File(name, opened, stamp, seekable, seekable, place, lambda: Path(name).stat().st_size)


def file_at(place: Place) -> File:
    """The file there, in another process than the one that found it. Raises `CannotRead`."""
    if not place.path:
        return _local_file(place.source)
    system, _ = _system(place.source)
    return _remote_file(system, place)


def _remote(source: str, scheme: str) -> Iterator[File]:
    system, path = _system(source)
    if _EXTRAS[scheme] == "https":
        yield _remote_file(system, Place(source, path))
        return
    try:
        if any(mark in path for mark in _WILD):
            names = sorted(system.glob(path))
        else:
            names = [path] if system.isfile(path) else sorted(system.find(path))
    except Exception as error:
        raise CannotRead(trouble(source, error)) from None
    for name in _listed(names, source, system.cat_file):
        yield _remote_file(system, Place(source, name))


def _system(source: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises `CannotRead`."""
    scheme = source.partition("://")[0]
    try:
        import fsspec  # noqa: PLC0415  # an extra

        system, path = fsspec.core.url_to_fs(source)
    except ImportError:
        raise CannotRead(f"Reading {scheme}:// needs a package: pip install 'hogline[{_EXTRAS[scheme]}]'.") from None
    return system, path


def _remote_file(system: Any, place: Place) -> File:  # noqa: ANN401  # fsspec has no types
    path, scheme = place.path, place.source.partition("://")[0]
    # The query of an address may hold a signature.
    shown = place.source.partition("?")[0] if _EXTRAS[scheme] == "https" else f"{scheme}://{path}"

    def opened() -> BinaryIO:
        return cast("BinaryIO", system.open(path, "rb"))

    def stamp(_: BinaryIO) -> object:
        system.invalidate_cache()
        info = system.info(path)
        return tuple(str(info.get(name)) for name in ("size", "ETag", "etag", "md5Hash"))

    return File(shown, opened, stamp, place=place, size_bytes=lambda: int(system.size(path) or 0))


def _listed(names: Sequence[str], source: str, read: Callable[[str], bytes]) -> list[str]:
    """Without manifests, marks and hidden files; nothing that a manifest names may be missing."""
    files = [name for name in names if not PurePosixPath(name).name.startswith((".", "_"))]
    manifests = [name for name in files if name.endswith(_MANIFEST)]
    if not manifests:
        if not files:
            raise CannotRead(f"{source} names no file.")
        return files
    if manifests == files == [source.partition("://")[2] or source]:
        folder = PurePosixPath(files[0]).parent
        return [str(folder / name) for name in _named_by(files[0], read)]
    files = [name for name in files if name not in manifests]
    there = {PurePosixPath(name).name for name in files}
    for manifest in manifests:
        missing = [name for name in _named_by(manifest, read) if name not in there]
        if missing and not any(mark in source for mark in _WILD):
            raise CannotRead(
                f"{manifest} names {len(missing)} file{'s' * (len(missing) != 1)} that cannot be found beside it, "
                f"{missing[0]} first. Copy all files of the export."
            )
    return files


class _Manifest(Struct):
    files: list[str]


def _named_by(manifest: str, read: Callable[[str], bytes]) -> list[str]:
    """The names of a manifest's files, which stand beside it."""
    try:
        return [PurePosixPath(key).name for key in msgspec.json.decode(read(manifest), type=_Manifest).files]
    except msgspec.MsgspecError:
        raise CannotRead(f"{manifest} is no manifest of an export: it has no list of `files`.") from None


def trouble(name: str, error: Exception) -> str:
    """The sentence about an error that came while a file was listed, opened or read."""
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"{name} cannot be read: file, folder or bucket not found."
    if "Credential" in kind or isinstance(error, PermissionError):
        return f"{name} cannot be read: access is denied, or credentials are missing. Set them as its own tools expect."
    if isinstance(error, OSError) and error.strerror and "://" not in name:
        return f"{name} cannot be read: {error.strerror}."
    if "Expired" in kind:
        return f"{name} was changed while it was read. Run the command again."
    return f"{name} cannot be read: the connection failed ({kind}). Run the command again."
