"""Printing shows whatever an object holds: wrong types in every place, deep nesting, huge numbers, what terminals obey."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from backstay.errors import FormatError
from backstay.kube.biography import authors
from backstay.kube.printing.ages import age, duration_text
from backstay.kube.printing.columns import Context
from backstay.kube.printing.custom_columns import draw_custom_columns, read_custom_columns
from backstay.kube.printing.field_selectors import read_field_selector
from backstay.kube.printing.json_text import json_of
from backstay.kube.printing.jsonpath import read_template
from backstay.kube.printing.kinds.custom import custom_columns
from backstay.kube.printing.kinds.table import columns_of, in_order
from backstay.kube.printing.label_selectors import read_label_selector
from backstay.kube.printing.sorting import sorting_key
from backstay.kube.printing.tables import Options, Section, draw
from backstay.kube.printing.tabs import one_line
from backstay.kube.printing.yaml_text import yaml_of
from backstay.kube.resources import BUILT_IN
from backstay.kube.searching import for_field, for_jsonpath, for_label, for_text
from tests.parity.test_kubectl_output import cluster

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WRONG: tuple[Any, ...] = (
    None, True, -1, 2**62, 0.5, "", "x\x1b[31m\u009b\n\ty", [], {}, [None], [[]], {"": None}, ["a", 1, {"b": []}],
    {"name": 5, "status": []}, "9999-99-99T00:00:00Z", "0001-01-01T00:00:00Z",
)  # fmt: skip


def mutated(value: Any, chance: random.Random) -> Any:
    """`value` with something wrong in a place or two."""
    if chance.random() < 0.06:
        return chance.choice(WRONG)
    if isinstance(value, dict):
        return {name: mutated(each, chance) for name, each in value.items() if chance.random() > 0.03}
    if isinstance(value, list):
        return [mutated(each, chance) for each in value]
    return value


def hostile_objects() -> Iterator[tuple[str, Any]]:
    chance = random.Random(7)
    for group_resource, items in cluster("k1.37.2").objects.items():
        for item in items[:6]:
            for _ in range(3):
                found = mutated(item, chance)
                yield group_resource, found if isinstance(found, dict) else {}


def test_every_table_is_drawn_of_objects_with_anything_in_any_place() -> None:
    for group_resource, item in hostile_objects():
        columns = columns_of(group_resource, None, in_order(group_resource, [item]))
        drawn = draw(
            [Section(columns, [item], "kind")], Options(wide=True, show_labels=True, with_namespace=True), Context(NOW)
        )
        assert drawn.count("\n") == 2
        assert not set(drawn) & {"\x1b", "\u009b", "\r", "\t"}


def test_every_table_is_drawn_of_an_object_without_anything() -> None:
    for resource in BUILT_IN:
        drawn = draw([Section(columns_of(resource.group_resource), [{}], "kind")], Options(wide=True), Context(NOW))
        assert drawn.count("\n") == 2


def test_yaml_and_json_of_anything_are_read_back_the_same() -> None:
    import yaml

    for number, (_, item) in enumerate(hostile_objects()):
        assert json.loads(json_of(item)) == json.loads(json.dumps(item))
        text = yaml_of(item)
        if number % 8 == 0:  # PyYAML's own reader is slow
            yaml.compose(text)


def test_selectors_paths_and_searches_take_any_object() -> None:
    questions = [
        for_text("x", ignore_case=True), for_label("app=web,!old"), for_field("status.phase=Running"),
        for_jsonpath(".spec.containers[0].image"), for_jsonpath(".."),
    ]  # fmt: skip
    key = sorting_key(".metadata.labels")
    for _, item in hostile_objects():
        for question in questions:
            list(question(item))
        key(item)
        authors(item, item)


def test_a_definition_that_lies_costs_its_columns_only() -> None:
    for wrong in WRONG:
        definition = {"spec": {"versions": [{"name": "v1", "additionalPrinterColumns": wrong}, wrong]}}
        draw([Section(custom_columns(definition, "v1"), [{"spec": wrong}], "x")], Options(), Context(NOW))
    columns = [
        {"name": "A", "type": "string", "jsonPath": path} for path in (".spec[", "..", ".spec[?(@.a>1)]", ".metadata")
    ]
    definition = {"spec": {"versions": [{"name": "v1", "additionalPrinterColumns": columns}]}}
    drawn = draw([Section(custom_columns(definition, "v1"), [{"spec": "text"}], "x")], Options(), Context(NOW))
    assert drawn.splitlines()[0].split() == ["NAME", "A", "A", "A", "A"]


def test_what_can_be_read_as_json_can_be_printed() -> None:
    depth = 600
    deep = json.loads('{"a":' * depth + "1" + "}" * depth)
    assert json.loads(json_of(deep)) == deep
    assert yaml_of(deep).count("\n") == depth
    assert yaml_of(json.loads("[" * depth + "]" * depth)).startswith("- - - -")


@pytest.mark.parametrize(
    "template",
    ["{" * 1000, "{.a" + "[?(@.b" * 200, "{" + "." * 5000 + "}", "{.a[" + "1," * 3000 + "1]}", "x" * 200_000],
)
def test_a_template_that_is_none_is_refused_in_time(template: str) -> None:
    with pytest.raises(FormatError):
        read_template(template).print({"a": []})


def test_selectors_that_are_none_are_refused() -> None:
    for wrong in ("a b", "=x", "a in", "a in (", "((((", "a=b=c", "-a=b", "a=" + "x" * 64, "é=1"):
        with pytest.raises(FormatError):
            read_label_selector(wrong)
    for wrong in ("a", "=", "a=b c=d,,", "a=b\\x"):
        with pytest.raises(FormatError):
            read_field_selector(wrong)
    assert read_field_selector(r"a.b=x\,y,c!=z").fits({"a": {"b": "x,y"}})


def test_numbers_that_no_server_accepts_are_printed_as_they_are() -> None:
    huge = 10**2000
    assert json_of(huge) == str(huge)
    assert yaml_of({"a": huge}) == f"a: {huge}\n"
    assert (json_of(float("inf")), yaml_of(float("nan"))) == ("null", "null\n")


def test_ages_are_kubectls() -> None:
    said = {
        -5: "<invalid>", -1: "0s", 0: "0s", 119: "119s", 120: "2m", 599: "9m59s", 600: "10m", 10_799: "179m", 10_800: "3h",
        28_799: "7h59m", 28_800: "8h", 172_800: "2d", 691_200: "8d", 63_072_000: "2y",
        63_158_400: "2y1d", 252_288_000: "8y",
    }  # fmt: skip
    assert {seconds: duration_text(seconds) for seconds in said} == said
    assert age(None, NOW) == age(5, NOW) == age("soon", NOW) == "<unknown>"


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u2069", "\u2028", "\u2029", "\u0085", "\x1b", "\0"])
def test_nothing_in_a_cell_moves_the_cursor_or_turns_what_stands_behind_it(character: str) -> None:
    assert character not in one_line(f"web{character}gpj.exe")
    assert character not in draw_custom_columns(
        read_custom_columns("NAME:.metadata.name"), [{"metadata": {"name": f"web{character}gpj.exe"}}], headers=True
    )


def test_text_from_right_to_left_stays_where_it_ends_in_its_cell() -> None:
    assert one_line("a\u2067b\u202ec\u202c\u2069") == "a\u2067b\u202ec\u202c\u2069"
    assert one_line("a\u2067b\u202ec\u2069\u202c") == "a\\u2067b\\u202ec\\u2069\\u202c"
    assert one_line("a\u202eb\n\u202c") == "a\\u202eb..."
