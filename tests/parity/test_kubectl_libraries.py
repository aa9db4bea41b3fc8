"""YAML, JSONPath and label selectors answer as the Go libraries of kubectl do, for values and expressions made at random."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backstay.errors import FormatError
from backstay.kube.printing.jsonpath import read_template
from backstay.kube.printing.label_selectors import read_label_selector
from backstay.kube.printing.yaml_text import yaml_of

DATA = Path(__file__).resolve().parents[1] / "data" / "kubectl"


def lines(name: str) -> Iterator[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def test_yaml_of_anything_is_the_go_librarys_byte_for_byte() -> None:
    wrong = [each["value"] for each in lines("yaml.jsonl") if yaml_of(each["value"]) != each["yaml"]]
    assert not wrong


def test_jsonpath_templates_find_print_and_fail_as_kubectls_do() -> None:
    first, *others = lines("jsonpath.jsonl")

    def answer(template: str) -> dict[str, Any]:
        try:
            return {"text": read_template(template).print(first["value"])}
        except FormatError:
            return {"error": True}

    wrong = [each for each in others if {"template": each["template"], **answer(each["template"])} != each]
    assert len(others) > 200
    assert not wrong


def test_label_selectors_choose_and_fail_as_kubectls_do() -> None:
    def answer(each: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"fits": read_label_selector(each["selector"]).fits(each["labels"])}
        except FormatError:
            return {"error": True}

    wrong = [each for each in lines("selectors.jsonl") if not answer(each).items() <= each.items()]
    assert not wrong
