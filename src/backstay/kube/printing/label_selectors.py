"""Label selectors, as people type them after `-l` and as objects carry them in `matchLabels` and `matchExpressions`.

app=web,tier!=cache        equality           app in (web, api)       one of
app                        is there           app notin (db)          not there, or none of these
!app                       is not there       weight>3, weight<9      numbers
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from backstay.errors import FormatError


class Requirement(NamedTuple):
    """What one label has to be. `operator` is as `matchExpressions` spells it, `Gt` and `Lt` included."""

    name: str
    operator: str
    values: tuple[str, ...] = ()

    def fits(self, labels: dict[str, Any]) -> bool:
        """Whether `labels` fulfil it."""
        value = labels.get(self.name)
        if self.operator == "Exists":
            return value is not None
        if self.operator == "DoesNotExist":
            return value is None
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        return self._compares(value)

    def _compares(self, value: Any) -> bool:
        try:
            number, limit = int(str(value)), int(self.values[0])
        except ValueError:
            return False
        return number > limit if self.operator == "Gt" else number < limit

    def __str__(self) -> str:
        if self.operator == "Exists":
            return self.name
        if self.operator == "DoesNotExist":
            return f"!{self.name}"
        if self.operator in ("In", "NotIn"):
            return f"{self.name} {self.operator.lower()} ({','.join(sorted(self.values))})"
        return f"{self.name}{'>' if self.operator == 'Gt' else '<'}{self.values[0]}"


class LabelSelector(NamedTuple):
    """Requirements that all have to be fulfilled; none fit everything."""

    requirements: tuple[Requirement, ...] = ()

    def fits(self, labels: Any) -> bool:
        """Whether an object with these labels (None for no labels) is chosen."""
        given = labels if isinstance(labels, dict) else {}
        return all(each.fits(given) for each in self.requirements)


_NAME = re.compile(
    r"(?:(?=.{1,253}/)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?(?=.{1,63}$)[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
)
_VALUE = re.compile(r"(?:(?=.{1,63}$)[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|<|>|[^\s,()=!<>]+)")


def read_label_selector(line: str) -> LabelSelector:
    """The selector that `line` means. Raises `FormatError` where it means none."""
    tokens = list(_tokens(line))
    requirements = []
    position = 0
    while position < len(tokens):
        requirement, position = _read_requirement(line, tokens, position)
        _check(line, requirement)
        requirements.append(requirement)
        if position == len(tokens):
            break
        if tokens[position] != "," or position + 1 == len(tokens):
            raise _problem(line, f"{tokens[position]!r} is not expected there")
        position += 1
    return LabelSelector(tuple(requirements))


def _tokens(line: str) -> Iterator[str]:
    position, end = 0, len(line.rstrip())
    while position < end:
        found = _TOKEN.match(line, position)
        if found is None:
            raise _problem(line, f"cannot be read from character {position + 1} on")
        yield found[1]
        position = found.end()


def _check(line: str, requirement: Requirement) -> None:
    """Refuse names and values that no label can have: such a selector is a mistake, and would silently choose nothing."""
    if _NAME.fullmatch(requirement.name) is None:
        raise _problem(line, f"{requirement.name!r} is no name of a label")
    for value in requirement.values:
        if _VALUE.fullmatch(value) is None:
            raise _problem(line, f"{value!r} is no value of a label")


_OPERATORS = {"=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt", "in": "In", "notin": "NotIn"}
_SPECIAL = frozenset((",", "(", ")", "=", "==", "!=", "!", "<", ">"))


def _read_requirement(line: str, tokens: list[str], position: int) -> tuple[Requirement, int]:
    is_negated = tokens[position] == "!"
    position += is_negated
    name = tokens[position] if position < len(tokens) else ""
    if not name or name in _SPECIAL:
        raise _problem(line, "the name of a label is missing")
    position += 1
    if is_negated:
        return Requirement(name, "DoesNotExist"), position
    operator = tokens[position] if position < len(tokens) else ","
    if operator == ",":
        return Requirement(name, "Exists"), position
    meaning = _OPERATORS.get(operator)
    if meaning is None:
        raise _problem(line, f"{operator!r} is no operator")
    position += 1
    if operator in ("in", "notin"):
        values, position = _read_set(line, tokens, position)
        return Requirement(name, meaning, values), position
    value = tokens[position] if position < len(tokens) and tokens[position] not in _SPECIAL else ""
    if operator in "<>" and not re.fullmatch(r"[-+]?\d+", value):
        raise _problem(line, f"{operator!r} needs a whole number")
    return Requirement(name, meaning, (value,)), position + bool(value)


def _read_set(line: str, tokens: list[str], position: int) -> tuple[tuple[str, ...], int]:
    if tokens[position : position + 1] != ["("] or ")" not in tokens[position:]:
        raise _problem(line, "the values of a set stand in parentheses")
    end = tokens.index(")", position)
    values, expects_value = [], True
    for token in tokens[position + 1 : end]:
        if token == ",":
            if expects_value:
                values.append("")
            expects_value = True
        elif token in _SPECIAL or not expects_value:
            raise _problem(line, f"{token!r} is not expected in a set")
        else:
            values.append(token)
            expects_value = False
    if expects_value:
        values.append("")
    return tuple(values), end + 1


def _problem(line: str, why: str) -> FormatError:
    return FormatError(f"{line!r} is no label selector", offset=0, why=why)


def selector_text(selector: Any) -> str:
    """The selector of an object (`matchLabels`, `matchExpressions`) as one line; empty for one that says nothing.

    The parts are sorted by label, as the API server prints them; `<error>` where an operator is none.
    """
    if not isinstance(selector, dict):
        return ""
    parts: list[tuple[str, str]] = []
    labels = selector.get("matchLabels")
    for name, value in labels.items() if isinstance(labels, dict) else ():
        parts.append((name, f"{name}={value}"))
    expressions = selector.get("matchExpressions")
    for each in expressions if isinstance(expressions, list) else ():
        if not isinstance(each, dict) or each.get("operator") not in ("In", "NotIn", "Exists", "DoesNotExist"):
            return "<error>"
        values = each.get("values")
        requirement = Requirement(
            str(each.get("key", "")), each["operator"], tuple(map(str, values)) if isinstance(values, list) else ()
        )
        parts.append((requirement.name, str(requirement)))
    parts.sort(key=lambda pair: pair[0])
    return ",".join(line for _, line in parts)
