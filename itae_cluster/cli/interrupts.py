"""Ctrl-C, a termination request and a closed terminal end the run within two seconds.

The first asks the main thread to clean up and end. Where that takes too long, as it can inside a
library that computes without looking up, or when a second one comes, the process ends at once.
That is safe at any instant: what a run leaves then is what it would leave if it were killed (see
docs/safety.md).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from itae_cluster.core.errors import OutputError

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["INTERRUPTED", "exit_code", "leave", "watch"]

INTERRUPTED = 130
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_PATIENCE = 1.5  # seconds to clean up in
_AT_ONCE = b"interrupted at once; nothing is lost, the next run clears up\n"

_received: list[int] = []


def exit_code() -> int:
    """128 and the number of the signal that came; 130 where none was seen."""
    return 128 + _received[0] if _received else INTERRUPTED


def leave() -> None:
    """End the process with `exit_code()` where a signal was received; else do nothing.

    An interpreter that saw an interrupt pass through `exec`, as it does in the midst of an import,
    ends as if by SIGINT, whatever exit code was asked for later. So it is not asked.
    """
    if _received:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, OutputError):
                stream.flush()
        atexit._run_exitfuncs()  # there is no public name for it
        os._exit(exit_code())


def watch() -> None:
    """From now on; to be called once, in the main thread, by the program and not by a library."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    if os.name == "posix":
        receiver, sender = os.pipe()
        os.set_blocking(sender, False)
        signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(receiver,), daemon=True, name="signals").start()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if _received:
        _end(number)
    _received.append(number)
    raise KeyboardInterrupt


def _watch(receiver: int) -> None:
    """Ends the process on the second signal, or some time after the first one.

    It reads what the interpreter writes as a signal comes in, so it knows of one even while the
    main thread is inside a library.
    """
    ours = {getattr(signal, name, None) for name in _NAMES}
    timer: threading.Timer | None = None
    while received := os.read(receiver, 64):
        for number in received:
            if number not in ours:
                continue
            if timer is not None:
                _end(number)
            timer = threading.Timer(_PATIENCE, _end, (number,))
            timer.daemon = True
            timer.start()


def _end(number: int) -> None:
    with contextlib.suppress(OSError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _AT_ONCE)
    os._exit(128 + number)
