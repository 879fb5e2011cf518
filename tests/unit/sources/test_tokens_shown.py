"""Whether a token is one of ours."""

# mypy: allow-untyped-defs, allow-untyped-calls

import pytest

from hogline.sources.tokens import TokenCheck


def test_every_token_of_ours_is_known():
    check = TokenCheck(["one", "two"])
    assert check("one")
    assert check("two")


@pytest.mark.parametrize("shown", ["", "on", "one ", "ONE", "onetwo", "\udcff", "ü"])
def test_no_other_is(shown):
    assert not TokenCheck(["one", "two"])(shown)
    assert not TokenCheck([])(shown)


def test_tokens_are_not_shown():
    assert "one" not in repr(TokenCheck(["one"]))
    assert "one" not in str(vars(TokenCheck(["one"])))
