"""Thinning: which state runs could be merged into one, because no kept point ends between them.

A point is its base and the state runs after it, so dropping every second point frees none of them: those of the dropped are
links to the kept. A merged run says what several links say together, and only then can they go.

    kept      base a b c d        merged    base (a b) (c d) e
              base a b                      base (a b)
              base a b c d e

A run is written after one certain run and named by points of that history only; so its name stands for all before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

Chain = tuple[str, ...]
"""A base, and the state runs after it, in their order."""


def merges(chains: Iterable[Chain]) -> tuple[Chain, ...]:
    """The runs, two or more each, that can be merged without a chain of `chains` losing its end. Each is in one merge at most."""
    kept = [chain for chain in chains if chain]
    stops = {chain[-1] for chain in kept} | {chain[0] for chain in kept} | _branches(kept)
    found: dict[Chain, None] = {}
    for chain in kept:
        for segment in _segments(chain, stops):
            if len(segment) > 1:
                found[segment] = None
    return tuple(found)


def _segments(chain: Sequence[str], stops: set[str]) -> Iterable[Chain]:
    """The runs behind the base, cut behind every stop."""
    start = 1
    for end, run in enumerate(chain[1:], 2):
        if run in stops:
            yield tuple(chain[start:end])
            start = end


def _branches(chains: Sequence[Chain]) -> set[str]:
    """Runs after which two chains go on differently: two writers made points at once."""
    after: dict[str, str] = {}
    found = set()
    for chain in chains:
        for run, following in itertools.pairwise(chain):
            if after.setdefault(run, following) != following:
                found.add(run)
    return found
