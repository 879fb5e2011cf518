"""hogline backup and hogline restore."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import IO, Annotated

from cyclopts import Parameter

from hogline import __version__
from hogline.cli.common import Common, err
from hogline.service import CannotDo
from hogline.settings import Settings
from hogline.store import backup as store_backup
from hogline.store.backup import Keys, Manifest

_DEFAULT = Common()
_SHORTEST_PASSPHRASE = 12

File = Annotated[Path, Parameter(allow_leading_hyphen=True, help="The backup, or `-`.")]


def backup(
    file: File,
    /,
    *,
    recipient: Annotated[
        list[str] | None, Parameter(help="Encrypt for this public key (age1… or ssh-ed25519 …). Repeat it for several.")
    ] = None,
    unencrypted: Annotated[bool, Parameter(negative="", help="Do not encrypt. Store it somewhere safe.")] = False,
    common: Common = _DEFAULT,
) -> None:
    """Back up the data directory to one file. `hogline serve` can keep running.

    The backup is a consistent snapshot; receiving and delivery continue. FILE `-` is standard output. The backup is
    encrypted with HOGLINE_BACKUP_PASSPHRASE (you are asked if it is not set) or for the recipients you name. It
    contains personal data, credentials, and the key that encrypts those credentials.
    """
    settings = common.settings()
    _only_a_directory(settings)
    if unencrypted and recipient:
        raise CannotDo("Use either --recipient or --unencrypted.")
    keys = (
        Keys() if unencrypted else Keys(recipients=tuple(recipient)) if recipient else Keys(_new_passphrase(settings))
    )
    with _written(file) as (out, scratch):
        made = store_backup.make(
            settings.data, out, keys, version=__version__, now_ms=time.time_ns() // 1_000_000, scratch=scratch
        )
    _tell(f"Backed up {_what(made)}.")
    if settings.secret_key is not None:
        _tell("The backup does not include HOGLINE_SECRET_KEY. Keep that key too: you need it to read the credentials.")


def restore(
    file: File,
    /,
    *,
    identity: Annotated[
        Path | None, Parameter(help="The file with your secret key, if the backup was encrypted for a recipient.")
    ] = None,
    common: Common = _DEFAULT,
) -> None:
    """Restore a backup into a new or empty data directory. FILE `-` is standard input.

    Then start `hogline serve`. Events delivered after the backup was made are delivered again; Customer.io ignores
    duplicates. Do not run the restored Hogline and the original at the same time.
    """
    settings = common.settings()
    _only_a_directory(settings)
    secret = None
    if identity is not None:
        try:
            secret = identity.read_text("utf-8")
        except (OSError, UnicodeError):
            raise CannotDo(f"{identity} cannot be read.") from None
    passphrase = settings.backup_passphrase.get_secret_value() if settings.backup_passphrase else None
    if passphrase is None and secret is None and sys.stdin.isatty():
        passphrase = getpass("Passphrase (empty if the backup has none): ") or None
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as source:
            found = store_backup.restore(source, settings.data, Keys(passphrase, identity=secret))
    except OSError as error:
        raise CannotDo(f"The backup cannot be restored ({error.strerror}: {error.filename}).") from None
    _tell(f"Restored {_what(found)} into {settings.data}. Start it with `hogline serve --data {settings.data}`.")


def _only_a_directory(settings: Settings) -> None:
    if settings.store is not None:
        raise CannotDo(
            "With HOGLINE_STORE, PostgreSQL has the data: back it up and restore it with its own tools, such as "
            "pg_dump and pg_restore. Keep HOGLINE_SECRET_KEY too."
        )


def _new_passphrase(settings: Settings) -> str:
    if settings.backup_passphrase is not None:
        passphrase = settings.backup_passphrase.get_secret_value()
    elif sys.stdin.isatty():
        passphrase = getpass("Passphrase for the backup: ")
        if getpass("Repeat it: ") != passphrase:
            raise CannotDo("The passphrases do not match. Nothing was written.")
    else:
        raise CannotDo("Set HOGLINE_BACKUP_PASSPHRASE, or use --recipient or --unencrypted.")
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        raise CannotDo(f"The passphrase needs at least {_SHORTEST_PASSPHRASE} characters.")
    return passphrase


@contextmanager
def _written(file: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Where the backup goes, and a folder for copies meanwhile. A file is there whole, or as it was before."""
    if str(file) == "-":
        if sys.stdout.isatty():
            raise CannotDo("A backup is binary: send it to a file or a program.")
        yield sys.stdout.buffer, Path(tempfile.gettempdir())
        sys.stdout.buffer.flush()
        return
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{file.name}-", dir=file.absolute().parent, delete=False) as draft:
            path = Path(draft.name)
            try:
                yield draft, file.absolute().parent
                path.rename(file)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise CannotDo(f"The backup cannot be written ({error.strerror}: {error.filename or file}).") from None


def _what(manifest: Manifest) -> str:
    megabytes = sum(manifest.files.values()) / 1e6
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(manifest.created_ms / 1_000))
    return f"{len(manifest.files)} files, {megabytes:,.1f} MB, as of {when}"


def _tell(sentence: str) -> None:
    err.print(sentence, markup=False)
