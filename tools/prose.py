#!/usr/bin/env python3
"""Finds words and turns that make our English stiff, in the documentation, the console's pages and the code's texts.

A small list of our own: each entry is a pattern and what to write instead. It looks at Markdown, at templates, and at
the strings, docstrings and comments of Python files. Code blocks and names in backticks are left alone.

    tools/prose.py [FILE…]     # all of them, unless some are named; exit code 1 if anything is found
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/**/*.md", "src/hogline/**/*.html", "src/hogline/**/*.py", "hatch_build.py")
GENERATED = {"docs/commands.md", "docs/settings.md"}
"""Their words are the code's."""

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
}
_RULES = [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in RULES.items()]
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")


def main(names: list[str]) -> int:
    files = [Path(name).resolve() for name in names] or sorted({file for glob in PAGES for file in ROOT.glob(glob)})
    found = [line for file in files if str(file.relative_to(ROOT)) not in GENERATED for line in _odd(file)]
    for line in found:
        print(line)
    if found:
        print(f"{len(found)} places sound stiff. Write them as a native speaker would say them.")
    return 1 if found else 0


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
