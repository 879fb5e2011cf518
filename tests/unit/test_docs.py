"""The documentation says what the code does: generated pages are fresh, reasons are explained, links lead somewhere."""

# mypy: allow-untyped-defs, allow-untyped-calls

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from hogline.cli.app import OLD_NAMES, app
from hogline.console.posthog import BROWSER, filled
from hogline.destinations.base import Reason
from hogline.destinations.catalogue import DESTINATIONS
from hogline.destinations.customerio.declared import OPTIONS
from hogline.environment import PREFIX
from hogline.posthog.bounds import MAX_DEPTH
from hogline.reasons import ADJUSTED, FILTERED, NAMING, REFUSED, REJECTED
from hogline.settings import Settings
from hogline.sources.kafka.library import split
from hogline.sources.limits import MIB, ReceivingLimits
from hogline.store.event_log import OutcomeKind

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "hogline"
BEHAVIOUR = (DOCS / "behaviour.md").read_text("utf-8")
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("examples/*/README.md")])

IN_BACKTICKS = re.compile(r"`([^`]+)`")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands.md", "settings.md", "behaviour.md"])
def test_generated_pages_and_examples_are_up_to_date(generate, page):
    wanted = generate.pages()[DOCS / page]
    assert (DOCS / page).read_text("utf-8") == wanted, "Run `.venv/bin/python docs/generate.py`."


def test_what_is_generated_does_not_depend_on_the_terminal(generate, monkeypatch):
    before = generate.commands()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("HOGLINE_LISTEN", "127.0.0.1:1")
    assert generate.commands() == before
    assert "127.0.0.1:8000" in generate.settings()


def test_the_diagram_shows_every_state_of_an_event():
    diagram = BEHAVIOUR.partition("stateDiagram-v2\n")[2].partition("```")[0]
    for state in get_args(OutcomeKind):
        assert f"--> {state}: " in diagram


def test_every_command_is_documented():
    commands = (DOCS / "commands.md").read_text("utf-8")
    for name in app:
        if name in OLD_NAMES:
            continue
        assert name.startswith("-") or f"\n## hogline {name}\n" in commands


def test_every_setting_is_documented():
    settings = (DOCS / "settings.md").read_text("utf-8")
    for name in Settings.model_fields:
        assert f"| `{PREFIX}{name.upper()}` |" in settings


def test_every_option_of_a_connection_is_documented_with_its_choices():
    options = _section("The options")
    for option in OPTIONS:
        if option.instead:
            continue
        assert f"| {option.title} | `{option.key}` | `--{option.key.replace('_', '-')}` |" in options
        for choice in option.choices:
            assert f"`{choice.value}`" in BEHAVIOUR


def test_the_limits_that_senders_meet_are_those_of_the_code():
    told = _section("What senders are told")
    limits = ReceivingLimits()
    for said in (
        f"| a body as it arrives | {limits.body_bytes // MIB} MiB; on the batch routes {limits.batch_body_bytes // MIB} MiB |",
        f"| a body once it is decompressed | {limits.unpacked_times} times that, and at most {limits.most_unpacked_bytes // MIB} MiB |",
        f"| {limits.batch_events:,} |",
        f"| nesting | {MAX_DEPTH} levels |",
        f"| headers | {limits.headers}, together {limits.header_bytes // 1024} KiB |",
        f"| {limits.url_bytes // 1024} KiB |",
        f"headers ({limits.head_s:g} s) or body ({limits.body_s:g} s)",
    ):
        assert said in told


def _section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", BEHAVIOUR, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1)


def _documented() -> set[str]:
    """What stands in backticks in a table's row of behaviour.md."""
    rows = [line for line in BEHAVIOUR.splitlines() if line.startswith("|")]
    return {text for row in rows for text in IN_BACKTICKS.findall(row)}


DECLARED: dict[str, Mapping[str, Reason]] = {
    "filtered": FILTERED,
    "failure": REFUSED,
    "adjusted": ADJUSTED,
    "rejected": REJECTED,
    **{name: destination.reasons for name, destination in DESTINATIONS.items()},
}
NOT_LISTED = {"not_for_engage", "event_not_an_object"}
"""The first is in docs/engage.md; the second is of a webhook that is not PostHog's."""


@pytest.mark.parametrize("reason", sorted({one for each in DECLARED.values() for one in each} - NOT_LISTED))
def test_every_reason_is_explained(reason):
    assert reason in _documented(), f"{reason} is missing in docs/behaviour.md"


def test_every_reason_has_a_sentence():
    for declared in DECLARED.values():
        assert [name for name, reason in declared.items() if not reason.means.endswith(".")] == []


@pytest.mark.parametrize(
    "title",
    [
        "Reasons why an event is filtered",
        "Limits and hostile values",
        "Reasons why an event is a failure",
        "Reasons why something is rejected on receipt",
    ],
)
def test_no_reason_is_explained_that_no_longer_exists(title):
    section = re.search(rf"^##+ {title}\n(.*?)(?=^##|\Z)", BEHAVIOUR, re.MULTILINE | re.DOTALL)
    assert section is not None
    column = -2 if title.startswith("Limits") else 1
    cells = [row.split("|")[column] for row in section.group(1).splitlines() if row.startswith("| ")]
    explained = {text for cell in cells for text in IN_BACKTICKS.findall(cell)}
    assert explained
    declared = {one for each in DECLARED.values() for one in each}
    assert {one for one in explained if one not in declared and not one.startswith((*NAMING, "refused_"))} == set()


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_the_pages_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(linked), f"{page.name} links to {target}"


def test_every_page_stands_in_the_sites_menu():
    menu = (ROOT / "tools" / "site.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = set(re.findall(r": ([a-z_/-]+\.md)$", menu, re.MULTILINE))
    staged = {str(page.relative_to(DOCS)) for page in DOCS.glob("*.md")} | {"decisions/index.md", "license.md"}
    names = {"README.md": "index.md", "SECURITY.md": "reporting.md"}
    staged |= {names.get(page.name, page.name.lower()) for page in ROOT.glob("*.md")} | {"destination_http.md"}
    assert listed == staged


def test_the_pictures_are_those_that_pages_show():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    shown = set(re.findall(r"screenshots/([a-z-]+\.webp)", text))
    assert {file.name for file in (DOCS / "screenshots").iterdir()} == shown
    assert sum(file.stat().st_size for file in (DOCS / "screenshots").iterdir()) < 2_000_000


def test_every_place_that_the_architecture_names_is_there() -> None:
    places = (DOCS / "architecture.md").read_text("utf-8").partition("\n## Where is …?\n")[2]
    named = re.findall(r"`([\w/]+(?:\.py|/))`", places)
    assert len(named) > 40
    assert [place for place in named if not (ROOT / "src/hogline" / place).exists()] == []


def test_every_room_stands_in_the_architecture():
    rooms = (DOCS / "architecture.md").read_text("utf-8").partition("\n## Rooms\n")[2].partition("\n## ")[0]
    for found in SOURCE.iterdir():
        if not found.name.startswith(("_", ".")) and found.suffix in {"", ".py"}:
            assert f" {found.name}{'/' if found.is_dir() else ''} " in rooms, found.name


def test_every_page_can_be_reached_from_the_readme():
    reached, open_ = set(), [(ROOT / "README.md").resolve()]
    while open_:
        page = open_.pop()
        reached.add(page)
        for path in re.findall(r"\]\(([^)#\s]+\.md)", page.read_text("utf-8")):
            linked = (page.parent / path).resolve()
            if linked.exists() and linked not in reached:
                open_.append(linked)
    assert reached == set(PAGES)


def test_the_readme_shows_the_snippet_of_the_console() -> None:
    snippet = filled(BROWSER, "https://hogline.example.com", "<token>")
    assert f"```html\n{snippet}\n```" in (ROOT / "README.md").read_text("utf-8")


def test_the_processes_of_the_compose_file_share_what_all_of_them_look_at() -> None:
    """The one that delivers changes passwords too, and must know which one it must not change."""
    file = (ROOT / "deploy/compose.postgresql.yaml").read_text("utf-8")
    shared = re.split(r"\n  \w", file.split("environment: &settings")[1])[0]
    own = set(re.findall(r"^ +(HOGLINE_\w+):", file.replace(shared, ""), re.MULTILINE))
    assert own == {"HOGLINE_CONSOLE_URL"}


def test_with_kafka_all_that_receive_or_deliver_know_it() -> None:
    """A console needs no journal."""
    services = re.findall(
        r"^  (receive-\d|deliver-\d): \*", (ROOT / "deploy/compose.postgresql.yaml").read_text("utf-8"), re.MULTILINE
    )
    file = (ROOT / "deploy/compose.kafka.yaml").read_text("utf-8")
    assert re.findall(r"^  (\S+): \*journal$", file, re.MULTILINE) == services
    (address,) = re.findall(r"HOGLINE_JOURNAL: (\S+)", file)
    assert split(address) == ("kafka:9092", "hogline")
