#!/usr/bin/env python3
"""Finds words and turns that make our English stiff, in the documentation, the console's pages and the code's texts.

A small list of our own: each entry is a pattern and what to write instead. It looks at Markdown, at templates, and at
the strings, docstrings and comments of Python files. Code blocks and names in backticks are left alone.

    tools/prose.py [FILE…]     # all files by default; exit code 1 if anything is found
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "*.md",
    ".github/**/*.md",
    "docs/**/*.md",
    "docs/*.py",
    "src/hogline/**/*.html",
    "src/hogline/**/*.py",
    "src/hogline/console/static/*.js",
    "bench/**/*.py",
    "hatch_build.py",
)
GENERATED = {"docs/commands.md", "docs/settings.md"}
"""Their words are the code's."""
LATER = ()
"""In `src/hogline`: not rewritten yet. This list only gets shorter."""

RULES: dict[str, str] = {
    r"\bwhoever\b": "anyone who, the user who",
    r"\bany more\b": "no longer (or: anymore)",
    r"\bof (its|their) own\b": "its own X, a separate X",
    r"\bput right\b": "fix, correct",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(so|as) (many|much) (bytes|events|requests|days|seconds|operations)\b": "this many, the maximum number of",
    r"\bit is told\b|\bis told of\b|\bare told of\b": "is notified, learns, shows",
    r"\bone (does|has|wants|can|sees|looks|types)\b": "you",
    r"\bnone is known\b": "none",
    r"\bin vain\b": "without success, failed",
    r"\bfor want of\b": "for lack of, without",
    r"\ball the same\b": "anyway, still",
    r"\bif need be\b": "if needed",
    r"\bat once\b(?! (over|by))": "immediately (or: at the same time)",
    r"\bbeside (a|the|it|that|its) running\b": "while … is running",
    r"\bto be had\b": "available",
    r"\bstands? (in|on|under|there|there is)\b": "is in, is on",
    r"\bof whom\b|\bas whom\b": "whose; how they are sent",
    r"\bthere (is|are) no such\b": "unknown, not found",
    r"\bmistakes? of (ours|Hogline's)\b": "internal error, bug",
    r"\bthe very\b": "exactly, just",
    r"\bbut for\b": "except for",
    r"\bin (small|capital) letters\b": "in lowercase, in uppercase",
    r"\bseldom\b": "rarely",
    r"\bnor any\b": "or",
    r"\bwherefore|\bthereby|\btherein|\bthereof": "which, by this",
    r"\btells? apart\b|\btold apart\b": "distinguish",
    r"\bLeft empty\b": "Leave empty",
    r"\bcomes? to\b(?= (an end|nothing))": "ends",
    r"\bwhat became of\b": "what happened to",
    r"\bbehind (this|the|it)\b (page|entry|id|distinct_id|number|cursor|body|word)": "after",
    r"\b(is|are) (put|brought) (in|into) (its|their) form\b": "is formatted",
    r"\bmade anew\b|\b(shows?|show it|asks?|written|reads?) .{0,12}\banew\b": "again, refresh",
    r"\bdead letters?\b": "failure",
    r"\bgo(es)? on by (itself|themselves)\b": "continues automatically",
    r"\bthere can be no\b": "cannot create",
    r"\b(is|are) no customers?\b": "is not a customer",
    r"\bmade a mistake\b": "internal error",
    r"\bwho (we know|is known), as\b": "known people",
    r"\bnobody (is known|knows)\b": "no people, unknown",
    r"\bso far (nothing|none|nobody)\b": "no X yet",
    r"\bof which something was\b": "events that were",
    r"\bhas to be (put|told|given)\b": "give, set",
    r"\bmay be had\b|\bcan be had\b|\bcannot be had\b": "is (not) available",
    r"\btells? (you )?of\b|\btold of\b": "shows, is notified",
    r"\bis a matter of\b|\bis (the|its) business\b": "is up to",
    r"\btaken? away\b": "removed",
    r"\bput together\b(?= (here|from))": "assembled",
    r"(?-i:\bSay) (which|whom|whose)\b": "give X, choose",
    r"\bnot (valid|kept|sent|shown|needed) any ?more\b": "no longer X",
    r"\bsaid about\b": "known about",
    r"\bcomes? behind\b|\bstands? behind\b": "follows",
}
_RULES = [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in RULES.items()]
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")


def main(names: list[str]) -> int:
    files = [Path(name).resolve() for name in names] or [file for file in _all() if not _is_left_out(file)]
    found = [line for file in files for line in _odd(file)]
    for line in found:
        print(line)
    if found:
        print(f"{len(found)} places sound stiff. Write them as a native speaker would say them.")
    return 1 if found else 0


def _all() -> list[Path]:
    return sorted({file for glob in PAGES for file in ROOT.glob(glob)})


def _is_left_out(file: Path) -> bool:
    name = file.relative_to(ROOT).as_posix()
    return name in GENERATED or name.removeprefix("src/hogline/").startswith(LATER)


def _odd(file: Path) -> Iterator[str]:
    for start, text in _prose(file):
        for pattern, instead in _RULES:
            for match in pattern.finditer(text):
                line = start + text.count("\n", 0, match.start())
                yield f"{file.relative_to(ROOT)}:{line}: “{' '.join(match[0].split())}”: {instead}"


def _prose(file: Path) -> Iterator[tuple[int, str]]:
    """The file's texts, each with the line where it begins; code in them is blanked out."""
    text = file.read_text("utf-8")
    if file.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in {tokenize.STRING, tokenize.COMMENT}:
                yield token.start[0], _CODE.sub(_blank, token.string)
        return
    yield 1, _CODE.sub(_blank, _FENCE.sub(_blank, text))


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
