#!/usr/bin/env python3
"""Two instances of Hookline under load while everything around them fails, by a schedule that a seed makes; then everything is
healed, and must come to rest with nothing lost, nothing out of order and nothing stuck. See docs/faults.md.

Needs Debian's postgresql and mosquitto; a C compiler for steps of clocks; root for a disk that can be filled."""

import argparse
import asyncio
import os
import random
import sys

import ending
import report
from run import LONGEST_REST, Run
from schedule import KINDS
from servers import can_mount

# For starting, for pauses that a fault's end may need, and for ending.
OVERHEAD = 240


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="default: any, which is printed")
    parser.add_argument("--minutes", type=float, default=3, help="of faults; default: 3")
    parser.add_argument("--rate", type=float, default=200, help="messages a second; default: 200")
    ending.add_binary(parser)
    parser.add_argument("--report", help="a file that gets the row of the table")
    parser.add_argument("--without", default="", help='kinds of faults to leave out, such as "clock,full disk"')
    parser.add_argument("--keep", action="store_true", help="keep the folder even if all is well")
    parser.add_argument("--may-mount", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.without = [kind.strip() for kind in options.without.split(",") if kind.strip()]
    if unknown := set(options.without) - set(KINDS):
        parser.error(f"there is no fault {unknown}; there are: {', '.join(KINDS)}")
    if options.seed is None:
        options.seed = random.randrange(1_000_000)
    options.binary = ending.binary_of(options, parser)
    return options


async def carry_out(options):
    """Returns whether all is well."""
    run = Run(options)
    wrong = ["it did not come to its end"]
    try:
        wrong = await ending.carry_out(run, options.minutes * 60 + LONGEST_REST + OVERHEAD) or run.result.wrong
    finally:
        await run.world.close(is_kept=bool(wrong) or options.keep)
        tell(run, options, wrong)
    return not wrong


def tell(run, options, wrong):
    if run.result.is_complete:
        row = run.result.row(options.seed, options.minutes, run.faults.counts)
        if options.report:
            report.append(options.report, row)
        print(report.header(), row, sep="\n")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    if wrong or options.keep:
        print(f"Logs are in {run.world.folder}")


def main():
    options = arguments()
    if not options.may_mount and can_mount():
        inside = ["--may-mount", "--seed", str(options.seed)]
        unshare = ["unshare", "--mount", "--propagation", "private", sys.executable]
        os.execvp("unshare", [*unshare, __file__, *sys.argv[1:], *inside])
    try:
        sys.exit(0 if asyncio.run(carry_out(options)) else 1)
    except asyncio.CancelledError:
        sys.exit("ended by a signal")


if __name__ == "__main__":
    main()
