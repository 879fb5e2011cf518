#!/usr/bin/env python3
"""Builds the documentation as a website in `dist/site`, with search; fails when a link leads nowhere.

The pages are the Markdown files that also read well on their own. README becomes the home page, and the other pages of
the repository's top (contributing, changes, …) stand beside those of `docs/`, so their links are adjusted on the way.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DIST = ROOT / "dist"
STAGED = DIST / "site-pages"
SITE = DIST / "site"
CONFIG = ROOT / "tools" / "site.yml"

_LINK = re.compile(r'(\]\(|srcset="|src=")(?!https?:|#|mailto:)([^)#"\s]+)')


def main() -> int:
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(DOCS, STAGED, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    top = {page.name: page.name.lower() for page in ROOT.glob("*.md")} | {
        "README.md": "index.md",
        "LICENSE": "license.md",
        "SECURITY.md": "reporting.md",  # docs/security.md is another page
        "examples/destination_http/README.md": "destination_http.md",
    }
    for name, staged in top.items():
        (STAGED / staged).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    for page in STAGED.rglob("*.md"):
        from_top = page.name in top.values() and page.parent == STAGED
        depth = len(page.relative_to(STAGED).parts) - 1
        page.write_text(_adjusted(page.read_text("utf-8"), top, from_top=from_top, depth=depth), "utf-8")
    shutil.copyfile(CONFIG, DIST / "site.yml")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "site.yml"]
    built = subprocess.run(command, cwd=DIST, check=False).returncode
    dead = sorted(set(_dead_links()))
    for link in dead:
        print(link)
    return 1 if built or dead else 0


class _Page(HTMLParser):
    """What an HTML page links to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # HTMLParser's
        given = dict(attrs)
        self.links += [link for name in ("href", "src", "srcset") if (link := given.get(name))]
        self.anchors |= {anchor for name in ("id", "name") if (anchor := given.get(name))}


def _dead_links() -> Iterator[str]:
    pages = {file.resolve(): _Page(file.read_text("utf-8")) for file in SITE.rglob("*.html")}
    for file, page in pages.items():
        for link in page.links:
            path, _, anchor = link.partition("#")
            if file.name == "404.html" or ":" in path:
                continue
            target = (file.parent / path).resolve() if path else file
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].anchors):
                yield f"{file.relative_to(SITE)} links to {link}"


def _adjusted(text: str, top: dict[str, str], *, from_top: bool, depth: int) -> str:
    """The page with links as they are on the site, where `docs/` and the repository's top are one folder."""

    def moved(found: re.Match[str]) -> str:
        before, target = found.groups()
        path = re.sub(r"^(\.\./\.\./)?docs/", "", target) if from_top else target
        outside = target.removeprefix("../" * (depth + 1))
        if from_top and target in top:
            path = top[target]
        elif not from_top and outside != target and outside in top:
            path = "../" * depth + top[outside]
        return f"{before}{path}"

    return _LINK.sub(moved, text)


if __name__ == "__main__":
    sys.exit(main())
