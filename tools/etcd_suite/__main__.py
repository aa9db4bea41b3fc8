"""`python -m tools.etcd_suite`: compile, run what has not been run, write the table.

--server etcd|backstay   only this column         --package common|e2e      --form published|one-member
--tests REGEX            only these tests         --again failed|all        run them again
--write                  put the table into docs/compatibility.md
--robustness N           instead: random traffic and kill -9, N times four kinds of traffic
"""

from __future__ import annotations

import argparse
import re
import sys
from itertools import product

from tools.etcd_suite import building, running, table
from tools.etcd_suite.running import FAILED, TIMED_OUT, Result, Runner


def main(arguments: list[str]) -> int:
    """Run what is asked for; 1 when a one-member case that etcd passes does not pass with backstay."""
    asked = parse(arguments)
    try:
        suite = building.suite()
        building.build(suite, say)
    except building.CannotBuild as problem:
        sys.stderr.write(f"etcd-suite: {problem}\n")
        return 2
    if asked.robustness:
        with running.only_one(suite.place):
            return robustness(suite, asked.server or "backstay", asked.robustness)
    with running.only_one(suite.place):
        for server, package, form in product(running.SERVERS, building.PACKAGES, building.FORMS):
            wanted = ((asked.server, server), (asked.package, package), (asked.form, form))
            if all(asks in (None, column) for asks, column in wanted):
                with running.only_one(suite.place, f"{package}-{form}-{server}"):
                    run_all(suite, package, form, server, asked)
    report = table.Report.read(suite)
    if asked.write:
        table.write(report)
    say(report.summary())
    missing = report.failing()
    for line in missing:
        say(f"  not passed by backstay: {line}")
    return 1 if missing else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.etcd_suite", description="etcd's own tests against backstay")
    parser.add_argument("--server", choices=running.SERVERS)
    parser.add_argument("--package", choices=building.PACKAGES)
    parser.add_argument("--form", choices=building.FORMS)
    parser.add_argument("--tests", type=re.compile, default=re.compile(""), metavar="REGEX")
    parser.add_argument("--again", choices=("failed", "all"))
    parser.add_argument(
        "--robustness", type=int, default=0, metavar="N", help="run the robustness tests N times instead"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/compatibility.md")
    return parser.parse_args(arguments)


def run_all(suite: building.Suite, package: str, form: str, server: str, asked: argparse.Namespace) -> None:
    """The tests of one column that are wanted and have not been run."""
    runner = Runner(suite, package, form, server)
    known = runner.known()
    wanted = table.plan(suite, package, form, server, runner.tests())
    names = [name for name in wanted if asked.tests.search(name) and is_due(known.get(name), asked.again)]
    for number, name in enumerate(names, 1):
        result = runner.run(name, wanted[name])
        outcomes = [case.outcome for case in result.cases]
        counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in sorted(set(outcomes)))
        seconds = sum(case.seconds for case in result.cases)
        say(f"{server} {package} {form} [{number}/{len(names)}] {name}: {counts} ({seconds:.1f} s)")


def robustness(suite: building.Suite, server: str, times: int) -> int:
    """Random traffic and a kill, `times` over; 1 when any run fails. Reports of failures stay beside the results."""
    runner, failed = Runner(suite, *building.ROBUSTNESS, server), 0
    for number in range(1, times + 1):
        result = runner.run("TestRobustnessExploratory", only="/.*/ClusterOfSize1")
        wrong = [case.name for case in result.cases if case.outcome in (FAILED, TIMED_OUT)]
        failed += bool(wrong)
        if wrong:
            log = runner.log_of("TestRobustnessExploratory")
            log.rename(log.with_stem(f"failed-{number}"))
        say(
            f"{server} robustness [{number}/{times}]: {len(result.cases) - len(wrong)} passed, {len(wrong)} failed {wrong or ''}"
        )
    return 1 if failed else 0


def is_due(known: Result | None, again: str | None) -> bool:
    """Whether a test is to be run now."""
    if known is None or again == "all":
        return True
    return again == "failed" and any(case.outcome in (FAILED, TIMED_OUT) for case in known.cases)


def say(line: str) -> None:
    """One line for the person who waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
