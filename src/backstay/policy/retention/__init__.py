"""Which points of a repository are kept, and why: pure functions of the points, the time, and what was asked for.

`policy` says what is wanted, `points` what is there, `decide` gives every point its reasons, `guards` refuses decisions
that look like a mistake, `locks` says until when an object may be locked. Nothing here reads or removes anything.
"""
