"""The documentation says what the code does: generated pages are fresh, reasons are explained, links lead somewhere."""

# mypy: allow-untyped-defs, allow-untyped-calls

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from hogline.cli.app import OLD_NAMES, app
from hogline.console.posthog import BROWSER, filled
from hogline.destinations.customerio.declared import OPTIONS
from hogline.posthog.bounds import MAX_DEPTH
from hogline.settings import PREFIX, Settings
from hogline.sources.limits import MIB, ReceivingLimits
from hogline.store.event_log import OutcomeKind

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "hogline"
BEHAVIOUR = (DOCS / "behaviour.md").read_text("utf-8")
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("examples/*/README.md")])

REASON = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
IN_BACKTICKS = re.compile(r"`([^`]+)`")

# Where reasons are made; in these files of the destination every text that is returned or put together is one.
ROOMS = ("posthog", "destinations/customerio", "core", "delivery")
ALL_REASONS = {"meaning.py", "gate.py", "limits.py", "shipment.py", "sync.py"}
NO_REASONS = {
    "meaning.py": {"null", "true", "false"},
    "limits.py": {"recipient", "address", "reply", "posthog_…"},
    "plan.py": {"event", "page", "screen", "delete", "suppress"},
}


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


def _reasons() -> Iterator[tuple[str, str]]:
    """Every reason that the code gives, with the file that does. `…` stands for what is filled in."""
    for room in ROOMS:
        for file in sorted((SOURCE / room).glob("*.py")):
            tree = ast.parse(file.read_text("utf-8"))
            names = {
                target.id: _texts(node.value)
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name) and target.id.isupper()
            }
            for node in ast.walk(tree):
                for place in _places(node, file.name):
                    found = names.get(place.id, []) if isinstance(place, ast.Name) else _texts(place)
                    yield from ((reason, file.name) for reason in found if reason not in NO_REASONS.get(file.name, ()))


def _places(node: ast.AST, file: str) -> Iterator[ast.expr]:
    """The expressions in this node that stand where a reason stands."""
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = {"Refusal": 0, "note": 1, "append": 0, "NotJson": 1, "Unreadable": 2, "_broken": 2}
        if place.get(called, 99) < len(node.args):
            yield node.args[place[called]]
        if called == "extend" and node.args and isinstance(node.args[0], ast.GeneratorExp):
            yield node.args[0].elt
        yield from (keyword.value for keyword in node.keywords if keyword.arg in {"reason", "filtered"})
    elif file in ALL_REASONS and isinstance(node, ast.Return | ast.Assign) and node.value is not None:
        yield node.value
    elif file in ALL_REASONS and isinstance(node, ast.Tuple):
        yield from node.elts


def _texts(place: ast.expr) -> list[str]:
    """The reasons in an expression: texts that are one word in snake case, of either branch of a condition."""
    match place:
        case ast.Constant(value=str(text)) if REASON.fullmatch(text):
            return [text]
        case ast.JoinedStr(values=[*_, ast.Constant(value=str(end))]):
            return [f"…{end}"] if REASON.fullmatch(end.lstrip("_")) else []
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
            return [f"{start}…"]
        case ast.IfExp():
            return [*_texts(place.body), *_texts(place.orelse)]
        case ast.BoolOp() | ast.Tuple():
            return [text for one in getattr(place, "values", getattr(place, "elts", ())) for text in _texts(one)]
        case _:
            return []


def _documented() -> set[str]:
    """What stands in backticks in a table's row of behaviour.md."""
    rows = [line for line in BEHAVIOUR.splitlines() if line.startswith("|")]
    return {text for row in rows for text in IN_BACKTICKS.findall(row)}


@pytest.mark.parametrize(("reason", "file"), sorted(set(_reasons())))
def test_every_reason_is_explained(reason, file):
    documented = _documented()
    if reason.startswith("…"):
        assert any(text.endswith(reason[1:]) for text in documented), f"{reason} of {file}"
    elif reason.endswith("…"):
        assert any(text.startswith(reason[:-1]) for text in documented), f"{reason} of {file}"
    else:
        assert reason in documented, f"{reason} of {file} is missing in docs/behaviour.md"


def test_the_reasons_are_found_in_the_code():
    """So that the test above cannot pass by finding nothing."""
    found = {reason for reason, _ in _reasons()}
    assert found >= {
        "not_in_allowlist",
        "snapshot",
        "nothing_to_send",
        "identifier_too_long",
        "internal_error",
        "refused_…",
        "email_change_not_sent",
        "event_name_cut",
        "property_renamed",
        "timestamp_ahead",
        "lone_surrogate_replaced",
        "…_not_an_object",
        "too_many_events",
        "too_deep",
    }


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
    # The default of `Unreadable`, and what the state counts by itself.
    found = {reason for reason, _ in _reasons()} | {
        "unreadable",
        "discarded",
        "failure_expired",
        "forgotten",
        "skipped",
        "backlog_dropped",
        "hold_expired",
        "hold_full",
        "hold_too_many",
        "other_connection",
    }
    for reason in explained:
        assert any(
            reason == known
            or (known.startswith("…") and reason.endswith(known[1:]))
            or (known.endswith("…") and reason.startswith(known[:-1]))
            for known in found
        ), reason


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
