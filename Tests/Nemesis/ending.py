"""How a trial comes to its end, and of which binary it is."""

import asyncio
import pathlib
import signal
import traceback

from processes import Failure

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARIES = [REPOSITORY / f".build/{kind}/hookline" for kind in ("release", "debug")]


def add_binary(parser):
    parser.add_argument("--binary", help="default: the release build if there is one, or else the debug build")


def binary_of(options, parser):
    chosen = options.binary or next((path for path in BINARIES if path.exists()), BINARIES[-1])
    binary = pathlib.Path(chosen).resolve()
    if not binary.exists():
        parser.error(f"there is no {binary}: build it first")
    return binary


async def carry_out(run, seconds):
    """Lets a run take so long at the most, and no longer than until a signal.

    Returns what was wrong with the trial itself: sentences.
    """
    main = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # The first one; the others find us ending everything.
        asyncio.get_running_loop().add_signal_handler(number, lambda: main.cancelling() or main.cancel())
    try:
        async with asyncio.timeout(seconds):
            await run.carry_out()
        return []
    except TimeoutError:
        return ["it took too long"]
    except (Failure, OSError, ExceptionGroup) as failure:
        traceback.print_exc()
        return [f"the trial itself failed: {failure!r}"]
