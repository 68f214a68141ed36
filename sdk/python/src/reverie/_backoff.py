"""Waits between tries: by kind of error, longer each time, a bounded number of them."""

from __future__ import annotations

import random

from reverie.errors import DeadlineError, Error, ExhaustedError, UnavailableError

#: Tries of a call.
TRIES = 5
#: Tries in a row without an event before a watch gives up: some 30 seconds.
WATCH_TRIES = 20
FIRST_WAIT_S = 0.02
LONGEST_WAIT_S = 2.0
#: A server that wants to be left alone for longer is not asked again: the caller decides.
PATIENCE_S = 10.0


def may_pass(error: Error) -> bool:
    """Whether the same call may work a little later."""
    if isinstance(error, ExhaustedError):
        return error.retry_after is not None
    return isinstance(error, UnavailableError | DeadlineError)


class Backoff:
    """Counts tries, and says how long to wait for the next."""

    def __init__(self, tries: int = TRIES) -> None:
        self._tries_left = tries
        self._wait_s = FIRST_WAIT_S

    def after(self, error: Error) -> float | None:
        """Seconds to wait after a failed try; None where there should be no other."""
        self._tries_left -= 1
        if self._tries_left <= 0 or not may_pass(error):
            return None
        # Between a half and the whole, so that many callers do not come back at one moment.
        wait = self._wait_s * random.uniform(0.5, 1.0)
        self._wait_s = min(self._wait_s * 3, LONGEST_WAIT_S)
        if error.retry_after is None:
            return wait
        asked = error.retry_after.total_seconds()
        return max(asked, wait) if asked <= PATIENCE_S else None
