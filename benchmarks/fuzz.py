#!/usr/bin/env python
"""Damages files of every kind that the product reads, and fails where one is not read or refused in a line.

    python benchmarks/fuzz.py --minutes 20                        # all readers in turn
    python benchmarks/fuzz.py --cases 50 --seed 3 --reader plans  # the same 50 files each time
    python benchmarks/fuzz.py --replay fuzz-failures/FILE         # a file that failed, again

A reader may succeed or raise DynastError. Any other exception, a crash, no end within 30 s, or more than 1 GiB of
memory for a file under 20 MB is a failure; its file is kept and named. Needs Linux.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzzing.campaign import Campaign, Worker, judged
from fuzzing.readers import READERS, available


def main() -> int:
    """Run the campaign, or read one kept file again; gives the exit status, 1 where a file failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, help="how long, for all readers together")
    parser.add_argument("--cases", type=int, help="how many files for each reader")
    parser.add_argument("--seed", type=int, default=0, help="other files for another number")
    parser.add_argument("--reader", choices=list(READERS), action="append", help="these readers only")
    parser.add_argument("--case", type=int, help="this file of the reader only")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for files that fail")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read a kept file again")
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options.replay, (options.reader or [None])[0])
    names = options.reader or available()
    numbers = (
        range(options.case, options.case + 1) if options.case is not None else range(options.cases or 10**9)
    )
    if options.cases is None and options.case is None and options.minutes is None:
        parser.error("say how long: --minutes 20, or --cases 50")
    end = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    with ExitStack() as stack:
        campaigns = [stack.enter_context(Campaign(name, options.seed, options.keep)) for name in names]
        for number in numbers:
            for campaign in campaigns:
                if time.monotonic() < end:
                    wrong = campaign.run(number)
                    if wrong is not None:
                        print(f"FAILED {campaign.tally.failures[-1][0]}\n{wrong}", flush=True)
            if time.monotonic() >= end:
                break
        return report(campaigns)


def report(campaigns: list[Campaign]) -> int:
    """Print a row for each reader; gives the exit status, 1 where a file failed."""
    print(f"{'reader':14}{'files':>8}{'read':>8}{'refused':>9}{'failed':>8}{'MB at most':>12}")
    for campaign in campaigns:
        tally = campaign.tally
        files, failed = sum(tally.outcomes.values()), len(tally.failures)
        counts = f"{files:8}{tally.outcomes['read']:8}{tally.outcomes['refused']:9}{failed:8}"
        print(f"{campaign.reader:14}{counts}{tally.most_memory / 1e6:12.0f}")
    return 1 if any(campaign.tally.failures for campaign in campaigns) else 0


def replay(file: Path, reader: str | None) -> int:
    """Kept files are called READER-SEED-NUMBER-NAME."""
    reader = reader or next((name for name in READERS if file.name.startswith(f"{name}-")), None)
    if reader is None:
        print(f"{file}: name its reader with --reader", file=sys.stderr)
        return 2
    with Worker(reader) as worker:
        outcome, message, memory = worker.read(file.resolve())
    wrong = judged(outcome, message, memory, file.stat().st_size)
    print(f"{outcome}, {memory / 1e6:.0f} MB: {message}")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
