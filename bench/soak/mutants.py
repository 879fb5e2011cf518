"""Takes the core's rules away, one at a time, and looks whether the simulation (`tests/model`) notices.

Each mutant is Hogline with one rule missing: a text of its source is replaced by another. It lives through histories
until one of them ends wrong. What no history shows, such as a request that was not needed, the core's unit tests may
notice. A mutant that survives is a rule without a test, or a rule that nobody needs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- mutants: written by `make soak ARGS=mutants` -->", "<!-- end of mutants -->"
MOST_HISTORIES, MOST_WITH_MATES = 5_000, 1_000
FEW_HISTORIES = 400
"""Before the tests that have a name."""
TESTS = (("a named history", "tests/model/test_histories.py"), ("a unit test", "tests/unit/core"))
SURVIVED = "**not in"
LEAST_PART = 0.1
"""Of that many, for what is written."""


class Mutant(Struct, frozen=True):
    rule: str
    """What is removed, as a reader of the documentation would say it."""
    module: str
    """Of `hogline.core`."""
    old: str
    new: str
    mates: int = 0
    """How many other processes deliver the same connections."""
    found_by_failing: bool = False
    """The rule was added because a history failed without it."""
    why_kept: str = ""
    """For a mutant that no history notices: what the rule is for."""


MUTANTS = (
    # people and joins
    Mutant(
        "Where two values meet in a join, the later of both times stays",
        "fold", "replace(keep, ms=max(mine.ms, theirs.ms))", "keep", found_by_failing=True,
    ),
    Mutant(
        "Even a refused join protects the person of `distinct_id`",
        "fold",
        "                person = join(known, position, entry, person, theirs)\n            if not person.protected:",
        "                person = join(known, position, entry, person, theirs)\n            if theirs.id == person.id:",
    ),
    Mutant(
        "Somebody protected is joined by `$merge_dangerously` only",
        "fold", '(not theirs.protected or entry.name == "$merge_dangerously")', "True",
    ),
    Mutant(
        "In a join, missing values come from the other",
        "fold", "        if mine is None:\n            whole[name] = theirs", "        if mine is None:\n            pass",
    ),
    Mutant(
        "In a join, removed values come from the other",
        "fold", "mine if mine.value is not None or theirs.value is None else theirs", "mine",
    ),
    Mutant(
        "In a join, the values of `distinct_id`'s person win",
        "fold", "mine if mine.value is not None or theirs.value is None else theirs", "theirs",
    ),
    Mutant("The newer event's value wins, not the later one's", "fold", "if before.ms > ms:", "if before.ms > ms + 10**12:"),
    Mutant("An email known once qualifies for ever", "fold", "if person.emailed_at == EVER and person.email is not None:", "if False:"),
    Mutant("A `$identify` makes its user identified", "fold", 'said.identified or entry.name.strip() == "$identify"', "said.identified"),
    # emails
    Mutant(
        "An email of somebody else is not sent, not even as a plain attribute",
        "sync", 'if row is None or row.state == "left" or linked:', "if True:", found_by_failing=True,
    ),
    Mutant(
        "An email that somebody is leaving is nobody else's before they left it",
        "sync", 'replace(row, person=draft.person, state="leaving")', 'replace(row, person=draft.person, state="left")',
    ),
    Mutant(
        "An email that was somebody else's never names a customer",
        "identifiers", "        if row.person != draft.person or row.others:\n            return False\n",
        '        if row.state == "left":\n            return True\n        if row.person != draft.person or row.others:\n            return False\n',
        why_kept="for requests by email that arrive later than 3 s after a kill, which the simulation does not have",
    ),
    Mutant("An email that is not sent is looked at again", "sync", "seen=None if unsaid or linked.missing else seen", "seen=seen"),
    Mutant("An email that is free reaches everyone who waits for it", "settle", "        freed=freed,\n", "", found_by_failing=True),
    Mutant("Someone who said it a moment ago waits for it, too", "settle", "unwritten(freed)[:MOST_FREED] if freed else ()", "()"),
    Mutant("Who was denied an email that is free by then is looked at again", "settle", "        denied=shipment.roster.denied,\n", "", mates=2, why_kept="for the moment between planning a shipment and writing its intent"),
    Mutant(
        "What was said of somebody before a join is true before what was said since",
        "settle", "(*(goes for _, goes in roster.joins), *roster.drafts)", "(*roster.drafts, *(goes for _, goes in roster.joins))",
        found_by_failing=True,
    ),
    Mutant(
        "A customer keeps no email of someone joined in the same breath",
        "sync", "for one in dict.fromkeys(email for part in roster.parts(draft) for email in part.emails)", "for one in draft.told.emails",
        found_by_failing=True,
    ),
    Mutant(
        "Whose an email is counts from the answer on, not from when it is on disk",
        "desk",
        """        for email, row in settled.settlement.ledger.items():
            self.records.ledger.put(email, row)
            shipment.roster.rows.add(email)  # to be remembered until it is on disk
        return settled

    def settled(self, shipment: Shipment, settled: SettledShipment) -> None:
""",
        """        return settled

    def settled(self, shipment: Shipment, settled: SettledShipment) -> None:
        for email, row in settled.settlement.ledger.items():
            self.records.ledger.put(email, row)
""",
        found_by_failing=True,
    ),
    Mutant("Anyone who is known by an email alone changes it only if identified", "identifiers", " and known and may_be_joined(person.id)", " and may_be_joined(person.id)"),
    # a person property as the id
    Mutant("A value of the property is one person's", "identifiers", "            taken = row.person != draft.person\n", "            taken = False\n"),
    Mutant("A value that is somebody's distinct_id is taken", "identifiers", "self._suppressed(wanted.value) or self._names_another(draft, wanted.value)", "self._suppressed(wanted.value)"),
    Mutant("A distinct_id that is the id of another's customer names nobody else", "identifiers", "if row is not None and row.person != draft.person:\n            return DISTINCT_ID_TAKEN", "if False:\n            return DISTINCT_ID_TAKEN"),
    Mutant("What was merged away is not claimed again", "identifiers", " or wanted in gone:", ":"),
    Mutant("After a join, the customer that a property identifies stays", "identifiers", "if (claimed := self._claimed(draft)) is not None:", "if (claimed := self._claimed(draft)) is not None and False:", found_by_failing=True),
    Mutant("A refused email goes back to nobody", "truth", "                self.rows[effect.email] = None\n", "                pass\n"),
    Mutant("After a lost answer, a refusal of an email proves nothing", "truth", "            if not doubt and not linked:", "            if not linked:"),
    # what is said
    Mutant(
        "A value is compared by the event that taught it, not only by its content",
        "sync", "if before == mark or", "if (before is not None and before.print == mark.print) or",
        found_by_failing=True,
    ),
    Mutant(
        "Times of what is said to one customer rise",
        "sync", "max(when_ms // 1_000, last_s + 1 if last_s else when_ms // 1_000)", "when_ms // 1_000",
    ),
    Mutant(
        "After a start, times begin behind the newest receipt",
        "sync", "before_s = 0 if fresh or draft.person in records.spoken else records.start_s", "before_s = 0", found_by_failing=True,
    ),
    Mutant("Other options: all values are compared again", "sync", "seen_view == self._rules.view and main is told.main", "True"),
    Mutant("… and so are those of another customer of theirs", "sync", " and main is told.main", ""),
    Mutant("A refused value is not said again and again", "sync", "or main.refused.get(name) == mark", ""),
    # anonymous events
    Mutant(
        "The identify that gives an anonymous id is not later than what is said of the attributes",
        "sync", "said_s = self._said.get(main.key) or main.said_s or when_s", "said_s = max(main.said_s, self._now_ms // 1_000)",
    ),
    Mutant("Whose anonymous events there are is kept in a join", "truth", "dict.fromkeys((*told.anonymous, *theirs.anonymous))", "told.anonymous"),
    # merges
    Mutant(
        "A merge travels alone",
        "shipment", "        self.merging.add(draft.person)  # nothing else of theirs goes along\n", "", found_by_failing=True,
    ),
    Mutant(
        "An event that deletes a customer ends the person's part of the request",
        "shipment", "        self.merging.add(draft.person)\n        item.filtered =", "        item.filtered =",
    ),
    Mutant("An event that deletes a customer waits for what else is sent about them", "desk", "        return any(one in shipment.roster.drafts for one in people)\n", "        return False\n"),
    Mutant("The emails of a customer that is deleted are nobody's", "truth", "row.customer in gone:\n                self.rows[email] = None", "row.customer in gone:\n                pass"),
    Mutant("Anyone who was deleted is sent with everything again", "truth", "main=None if told.main is not None and told.main.key in gone else told.main", "main=told.main"),
    Mutant("All customers of a person are deleted, also those that wait for a merge", "removing", "        for one in known\n    ]", "        for one in known[:1]\n    ]"),
    Mutant("An event that would delete is not sent itself, not even if there is nobody to delete", "shipment", "        if made is None:\n            return False\n        self._emit_all(made)", "        if made is None:\n            return False\n        if not made:\n            return False\n        self._emit_all(made)"),
    Mutant(
        "A retried failure from before a deletion brings nobody back",
        "gate", "if would_return(item, entry, parts):", "if False:", found_by_failing=True,
    ),
    Mutant(
        "Anyone who is merged is marked on disk before",
        "merging", 'one if one.state == "kept" else replace(one, state="leaving") for one in draft.told.others', "one for one in draft.told.others",
        found_by_failing=True,
    ),
    Mutant("After a merge, what was removed is said again", "truth", "if mark.print != NULL}", "}"),
    Mutant("After a merge, all is compared again", "truth", "            gone=(*told.gone, merged.key)[-MOST_GONE:],\n            seen=None,", "            gone=(*told.gone, merged.key)[-MOST_GONE:],"),
    Mutant("The emails of a merged customer are free", "truth", "row.person == effect.person and row.customer == merged.key:", "False:"),
    Mutant("A merge waits until the main customer is accepted", "shipment", 'main.state != "accepted" or not (', "not ("),
    Mutant("A visitor's customer that another tool made is merged if the options say so", "merging", "if one != stays and is_visitors_uuid(one)", "if False"),
    Mutant("A customer that another tool made does not make anyone a customer", "merging", 'Customer("id", one, elsewhere=True)', 'Customer("id", one, "accepted", elsewhere=True)'),
    Mutant(
        "A customer taken over in a join is in no intent before",
        "intend", "    if draft.taken:", "    if False:", found_by_failing=True,
    ),
    Mutant("What was told about a customer survives the join of its person", "truth", "names={**theirs.names, **told},", "names=told,", why_kept="saves requests"),
    # requests and crashes
    Mutant(
        "Only an accepted identify proves that a customer exists",
        "truth", '        if effect.kind != "identify":\n            return told\n', '        if effect.kind != "identify":\n            return replace(told, main=replace(main, state="accepted"))\n',
        found_by_failing=True,
    ),
    Mutant("What a request will claim is on disk before it leaves", "intend", "return Intent(connection, told, rows, roster.were if shared else None) if told or rows else None", "return None"),
    Mutant("Nobody is in two shipments at a time", "desk", "if locked.get(one, shipment) is not shipment or one in merging:", "if one in merging:"),
    Mutant("A join waits for the lane that somebody leaves", "arrivals", "            item.waits = tuple(number for number in groups if self._lanes.all[number].mine)", "            item.waits = ()"),
    Mutant("What is sent again goes to the person as of the joins settled here", "again", "            if person_lane.mine and person_lane.settled < since:\n                break\n", ""),
    # several processes
    Mutant("An id leaves another process's lane when what came before it is settled there", "share", "far.settled < one.settled or ", "", mates=2),
    Mutant("… and nothing is under way there that was begun without knowing of the join", "share", " or far.clear < one.clear", "", mates=2),
    Mutant("What is under way in a lane and no event counts, too", "desk", "lane.since = self.lanes.read if lane.since is None else lane.since", "lane.since = None", mates=2),
    Mutant("What another process told someone who comes from its lane is read again", "desk", "        self.records.lose(came)\n", "", mates=2),
    Mutant("… and whose their emails are", "desk", "        ledger.lose(names.difference(*(one.roster.rows for one in self.flight)))\n", "", mates=2, found_by_failing=True),
    Mutant("Who waits for an email looks at it as it is on disk", "desk", "                    self._reread(email.lower(), shipment)\n", "                    pass\n", mates=2, found_by_failing=True),
    Mutant("An identifier is one process's: the first to write it", "desk", "            shared=self.share is not None,\n        )\n        if shipment.intent", "            shared=False,\n        )\n        if shipment.intent", mates=2),
    Mutant("What another process taught about people is read again", "known", "        for name in people:\n            del self._people[name]\n", "", mates=2),
    Mutant("Who goes into another process's lane is that one's", "again", "person_lane.mine and person_lane.settled", "person_lane.settled", mates=2),
    # who is sent
    Mutant(
        "Gates see a person as they were when the event came",
        "gate", 'rules.whom == "identified" and person.identified_at > position', 'rules.whom == "identified" and person.identified_at > position + 3',
    ),
    Mutant("Emails are asked for as of when the event came", "gate", 'rules.whom == "emails" and person.emailed_at > position', 'rules.whom == "emails" and person.emailed_at > position + 3'),
    Mutant("Held events go in their order", "shipment", "for held in self._held(draft):", "for held in reversed(self._held(draft)):"),
    Mutant("Held events of somebody joined are released too", "shipment", "        if gone.told.has_held and not draft.told.has_held:", "        if False:"),
    Mutant("A retried failure frees its refused values", "shipment", "        if item.again and draft.told.main is not None:", "        if False:"),
    Mutant("A retried failure releases nothing that is held", "shipment", "        if unmet is None and draft.told.has_held:", "        if rule is None and draft.told.has_held:"),
    Mutant("Somebody joined in the same shipment is a customer already", "shipment", "one.told.is_customer or (one.synced and one.told.main is not None) for one in drafts", "one.told.is_customer for one in drafts"),
    Mutant("A retried failure of a customer is not gated again", "shipment", "rule = None if retried and is_customer else unmet", "rule = unmet"),
    Mutant(
        "A retried failure makes no customer of anyone who does not qualify",
        "shipment", "rule = None if retried and is_customer else unmet", "rule = None if retried else unmet", found_by_failing=True,
    ),
    Mutant("Only somebody's customer makes later events a customer's", "shipment", "        if not is_customer and is_visitor(person, position, rules):", "        if is_visitor(person, position, rules):"),
)  # fmt: skip


def problems() -> list[str]:
    """Mutants whose text does not are in the source exactly once."""
    return [
        f"{mutant.rule}: {count} times in {mutant.module}"
        for mutant in MUTANTS
        if (count := _source(mutant).read_text("utf-8").count(mutant.old)) != 1
    ]


def _source(mutant: Mutant, root: Path = ROOT / "src") -> Path:
    return root / "hogline" / "core" / f"{mutant.module}.py"


class _Found(Struct):
    """What `python -m tests.model --until-wrong --json` prints."""

    histories: int
    wrong: dict[int, str]
    named: tuple[str, str] | None = None
    """The test with a name that noticed, and before it, what kind of test that is."""

    @property
    def what(self) -> str:
        """What was wrong, without naming the people."""
        if self.named is not None:
            return f"*{self.named[1]}*"
        for wrong in self.wrong.values():
            return re.sub(r"[0-9]+", "n", re.split(r"[{:\n<,]", wrong.partition("] ")[2] or wrong)[0]).strip()
        return ""


def _lives(mutant: Mutant, work: Path, most: int) -> _Found:
    """Some random histories, then the tests that have a name, then many random histories."""
    source = work / str(MUTANTS.index(mutant)) / "src"
    shutil.copytree(
        ROOT / "src" / "hogline", source / "hogline", ignore=shutil.ignore_patterns("__pycache__", "vendor")
    )
    module = _source(mutant, source)
    module.write_text(module.read_text("utf-8").replace(mutant.old, mutant.new), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(source)}
    few = min(FEW_HISTORIES, most)
    found = _random(environment, 0, few, mutant.mates)
    if not found.wrong:
        found.named = _named(environment, alone=not mutant.mates)
    if not (found.wrong or found.named):
        found = _random(environment, few, most, mutant.mates)
        found.histories += few
    shutil.rmtree(source.parent)
    return found


def _random(environment: dict[str, str], first: int, last: int, mates: int) -> _Found:
    command = [sys.executable, "-m", "tests.model", f"{first}-{last}", f"--mates={mates}", "--until-wrong", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Found)


def _named(environment: dict[str, str], *, alone: bool) -> tuple[str, str] | None:
    """The first test with a name that fails, and before it, what kind of test that is; None if none does. `alone`: no
    other process delivers; the histories with a name know of none."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--no-header"]
    for kind, tests in TESTS if alone else TESTS[1:]:
        done = subprocess.run([*command, tests], cwd=ROOT, env=environment, capture_output=True, check=False, text=True)
        if failed := re.search(r"^FAILED \S+::test_(\w+)", done.stdout, re.MULTILINE):
            return kind, failed[1].replace("_", " ")
    return None


def _row(mutant: Mutant, one: _Found) -> str:
    mark, what = "◆" if mutant.found_by_failing else "", one.what
    if one.named is not None:
        after = one.named[0]
        what += f" ({mutant.why_kept})" if mutant.why_kept else ""
    elif one.wrong:
        after = f"{one.histories:,} histories"
    else:
        after, what = f"**not in {one.histories:,} histories**", mutant.why_kept
    return f"| {mutant.rule} | {mark} | {after} | {what} |"


def print_figures(work: Path, _seed: int, part: float) -> None:
    """Runs the mutants without a row in the table, and adds each row as soon as it is known. So it can be stopped and
    started again; remove rows from the table to run their mutants again."""
    assert not problems(), problems()
    rows = _rows_so_far() if part >= LEAST_PART else {}
    with ThreadPoolExecutor(2) as pool:  # of processes
        running = {
            pool.submit(_lives, mutant, work, int((MOST_WITH_MATES if mutant.mates else MOST_HISTORIES) * part)): mutant
            for mutant in sorted(MUTANTS, key=lambda one: bool(one.why_kept))  # survivors take longest
            if mutant.rule not in rows
        }
        for done in as_completed(running):
            mutant, one = running[done], done.result()
            rows[mutant.rule] = _row(mutant, one)
            print(f"  {mutant.rule}: {one.what or 'SURVIVES'} ({one.histories} histories)", flush=True)
            if part >= LEAST_PART:
                _write(rows)
    survivors = [mutant.rule for mutant in MUTANTS if SURVIVED in rows[mutant.rule] and not mutant.why_kept]
    if survivors:
        sys.exit(f"{len(survivors)} rules can be removed unnoticed.")


def _rows_so_far() -> dict[str, str]:
    table = DOCS.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    rules = {mutant.rule for mutant in MUTANTS}
    rows = {line[2:].partition(" | ")[0]: line for line in table.splitlines() if line.startswith("| ")}
    return {rule: row for rule, row in rows.items() if rule in rules}


def _write(rows: Mapping[str, str]) -> None:
    before, rest = DOCS.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    table = [rows[mutant.rule] for mutant in MUTANTS if mutant.rule in rows]
    head = ["| rule that is removed | | noticed after | by |", "|---|---|---|---|"]
    DOCS.write_text("\n".join([f"{before}{BEGIN}", "", *head, *table, "", f"{END}{after}"]), "utf-8")
