import pytest
from argon2 import PasswordHasher


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real hash takes a tenth of a second and 64 MB: on purpose, but not in every test."""
    monkeypatch.setattr(
        "hogline.store.datadir.passwords.HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )
