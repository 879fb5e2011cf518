"""PostHog's present Customer.io template (`template-customerio`): the configuration of such a hog function → the
options of a connection.

What can be taken over becomes options; of everything else a sentence says what to do. Knows no file and no connection;
a sentence never repeats a value that may be a secret.

Source: PostHog's `posthog/cdp/templates/customerio/template_customerio.py`, and what its API gives of a hog function.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import cast

import msgspec

from hogline.destinations.base import Imported, Importer, InvalidOptions, OptionProblem
from hogline.destinations.customerio.endpoint import EU, US
from hogline.destinations.customerio.template_filters import Filters, read_filters

_NO_FUNCTION = (
    "This is no configuration of PostHog's Customer.io destination: a JSON object with “inputs”, as PostHog's API gives"
    " it under /api/projects/ID/hog_functions/ID."
)
_EXPRESSION = re.compile(r"\{\s*(.*?)\s*\}", re.DOTALL)
_PROPERTY = re.compile(r"(person|event)\.properties\.([\w$]+)")
_DEFAULTS: Mapping[str, object] = {
    "identifier_key": "email",
    "identifier_value": "{person.properties.email}",
    "action": "automatic",
    "include_all_properties": False,
    "enable_profile_merging": False,
}
"""What the template starts with."""


def read_template(text: bytes, beside: Collection[str] = ()) -> Imported:
    """The options of a hog function as PostHog's API gives it. `beside`: options that are given otherwise. Raises
    `InvalidOptions`."""
    function = _function(text)
    read = _Template(function)
    options = {key: value for key, value in read.options.items() if key not in beside}
    hidden = {key: option for key, option in read.hidden.items() if option not in beside}
    return Imported(options, hidden, (), tuple(read.notes))


def _function(text: bytes) -> Mapping[str, object]:
    try:
        given = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        given = {}
    inputs = given.get("inputs")
    if not isinstance(inputs, dict) or not inputs.keys() & {"identifier_key", "identifier_value", "site_id"}:
        raise InvalidOptions([OptionProblem("site_id", _NO_FUNCTION)])
    return given


class _Template:
    """One configuration, read once."""

    def __init__(self, function: Mapping[str, object]) -> None:
        self._inputs = cast("dict[str, object]", function["inputs"])
        self.options: dict[str, object] = {}
        self.hidden: dict[str, str] = {}
        self.notes: list[str] = []
        self._needed = ""
        """A condition: events without the identifier."""
        self._credential("site_id", "site_id")
        self._credential("token", "api_key")
        self._host()
        self._identifier()
        filters = read_filters(function.get("filters"), self.notes)
        self.options.update(filters.options)
        ignored = [one for one in (self.options.get("ignore_when"), self._needed) if one]
        if ignored:
            self.options["ignore_when"] = " or ".join(map(str, ignored))
        self._action(filters)
        self._attributes()
        if function.get("mappings"):
            self.notes.append(
                "Its mappings are not taken over: one configuration of Hogline sends all kinds of events."
            )
        if function.get("masking"):
            self.notes.append("Its masking is not taken over: Hogline never sends an event twice, and leaves none out.")

    def _value(self, key: str) -> object:
        given = self._inputs.get(key)
        value = given.get("value") if isinstance(given, dict) else given
        return _DEFAULTS.get(key) if value is None else value

    def _credential(self, key: str, option: str) -> None:
        given, value = self._inputs.get(key), self._value(key)
        if isinstance(value, str) and value.strip() and "***" not in value:
            self.options[option] = value.strip()
        elif isinstance(given, dict):
            self.hidden[key] = option

    def _host(self) -> None:
        host = self._value("host")
        if host in {US, EU}:
            self.options["tracking_endpoint"] = host
        elif host is not None:
            self.notes.append(f"Its host is not taken over: give --tracking-endpoint, {US} or {EU}.")

    def _identifier(self) -> None:
        key, value = self._value("identifier_key"), self._value("identifier_value")
        found = _source(value)
        of_person = found[1] if isinstance(found, tuple) and found[0] == "person" else None
        if key in {"id", "cio_id"}:
            if of_person is not None:
                self.options["identify_by"] = f"{'property' if key == 'id' else 'cio_id'}:{of_person}"
                self._needed = f"person.{of_person} is_not_set"  # the template sends nothing without the identifier
                return
            self.options["identify_by"] = key
            if found != "distinct_id" or key == "cio_id":
                self.notes.append(
                    "Its identifier value is not taken over: name the person property with --identify-by"
                    f" {'property' if key == 'id' else 'cio_id'}:NAME."
                )
            return
        self.options["identify_by"] = "email"
        self.options["anonymous_users"] = "emails"  # the template sends nothing without the identifier
        if of_person is not None:
            if of_person != "email":
                self.options["email_property"] = of_person
        else:
            self.notes.append("Its identifier value is not taken over: name the person property with --email-property.")

    def _action(self, filters: Filters) -> None:
        action = self._value("action")
        names = filters.events
        if action in {"automatic", "event"}:
            if names:
                self.options["events"] = ", ".join(names)
            self.options["page_names"] = "url" if action == "automatic" else "event"
        elif action == "identify":
            self.options["events"] = "$identify"
            self.notes.append(
                "It only identifies. Hogline does so with $identify, which it sends as an event too, and updates"
                " customers with whatever other events say."
            )
        elif action in {"page", "screen"}:
            self.options["events"] = "$pageview" if action == "page" else "$screen"
            self.options["page_names"] = "event"
            if set(names) - {self.options["events"]}:
                self.notes.append(f"Of its events only {self.options['events']} is a {action} in Hogline.")
        elif action == "delete" and names:
            self.options["delete_on"] = ", ".join(names)
            self.notes.append("It only deletes. Give --delete-on to the connection that makes the customers.")
        else:
            self.notes.append("It deletes on every event, or does what cannot be read. Name the events: --delete-on.")

    def _attributes(self) -> None:
        everything = self._value("include_all_properties") is True
        mapping = self._value("attributes")
        self.options["attributes_from"] = "person"
        pairs, properties = self._mapped(mapping if isinstance(mapping, dict) else {})
        if pairs:
            self.options["attribute_mapping"] = ", ".join(pairs)
        self.options["attribute_names"] = "" if everything else "-*"
        self.options["event_properties"] = "" if everything else ", ".join(sorted(properties)) or "-*"
        merging = self._value("enable_profile_merging") is True
        self.options["merge_people"] = "all" if merging else "no"

    def _mapped(self, mapping: Mapping[object, object]) -> tuple[list[str], set[str]]:
        """Pairs of `attribute_mapping`, and event properties that keep their names."""
        pairs: list[str] = []
        properties: set[str] = set()
        for name, value in mapping.items():
            found = _source(value)
            if found == "distinct_id":
                pairs.append(f"{name}=distinct_id")
            elif isinstance(found, tuple) and found[0] == "person":
                if name != "email":  # always sent
                    pairs.append(f"{name}={found[1]}")
            elif isinstance(found, tuple) and found[1] == name:
                properties.add(found[1])
            elif (found is None and not isinstance(value, str | dict)) or (
                found is None and isinstance(value, str) and "{" not in value
            ):
                pairs.append(f"{name}:={msgspec.json.encode(value).decode()}")
            else:
                self.notes.append(
                    f"Its attribute “{str(name)[:50]}” is not taken over: it is an expression, or an event property"
                    " under another name. Set it in your app, or send the property under that name."
                )
        return pairs, properties


def _source(value: object) -> tuple[str, str] | str | None:
    """Where a value of the template comes from: `person` or `event` and a property; `distinct_id`; None: it is fixed,
    or an expression."""
    expression = _EXPRESSION.fullmatch(value.strip()) if isinstance(value, str) else None
    if expression is None:
        return None
    if expression[1] == "event.distinct_id":
        return "distinct_id"
    found = _PROPERTY.fullmatch(expression[1])
    return (found[1], found[2]) if found is not None else None


TEMPLATE = Importer(
    "A JSON file with the configuration of PostHog's Customer.io destination, as PostHog's API returns it. Hogline"
    " imports what it can and lists the rest.",
    "the destination",
    read_template,
)
