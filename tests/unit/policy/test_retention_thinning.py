"""Thinning by merge: every kept chain stays a chain, with the same runs in the same order."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from backstay.policy.retention.thinning import Chain, merges


@st.composite
def histories(draw: st.DrawFn) -> list[Chain]:
    """Points of a history that may branch: each goes on from a base or from an earlier point. Some of them are kept."""
    chains: list[Chain] = [("base-0",), ("base-1",)]
    for number in range(draw(st.integers(0, 20))):
        before = chains[draw(st.integers(max(0, len(chains) - 3), len(chains) - 1))]
        chains.append((*before, f"run-{number}"))
    return draw(st.lists(st.sampled_from(chains), unique=True))


def merged(chain: Chain, all_merges: tuple[Chain, ...]) -> list[Chain]:
    """`chain` with merges in place of their runs; a merge that does not fit whole fails."""
    place, found = 0, []
    while place < len(chain):
        whole = next((each for each in all_merges if each[0] == chain[place]), (chain[place],))
        assert chain[place : place + len(whole)] == whole
        found.append(whole)
        place += len(whole)
    return found


@given(histories())
def test_every_kept_chain_is_made_of_whole_merges(kept: list[Chain]) -> None:
    found = merges(kept)
    runs = [run for each in found for run in each]
    assert len(runs) == len(set(runs))
    assert not [run for run in runs if run.startswith("base-")]
    for chain in kept:
        assert tuple(run for each in merged(chain, found) for run in each) == chain


@given(histories())
def test_nothing_that_could_be_merged_is_left(kept: list[Chain]) -> None:
    found = merges(kept)
    ends = {chain[-1] for chain in kept}
    following: dict[str, set[str]] = {}
    for chain in kept:
        for run, after in itertools.pairwise(chain):
            following.setdefault(run, set()).add(after)
    for chain in kept:
        for before in merged(chain, found)[1:-1]:
            assert before[-1] in ends or len(following[before[-1]]) > 1


def test_the_links_between_kept_points_are_merged() -> None:
    kept: list[Chain] = [("base", "a", "b"), ("base", "a", "b", "c", "d"), ("base", "a", "b", "c", "d", "e")]
    assert merges(kept) == (("a", "b"), ("c", "d"))
    assert merges([]) == merges([(), ("base",)]) == ()
