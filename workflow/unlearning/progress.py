"""Progress with remaining time: a bar in a terminal, now and then a plain line in a log."""

import sys
import time

from tqdm import tqdm


def duration(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Progress:
    """Counts from `first` to `total`. update(done, note) shows the count, the note and the time
    remaining."""

    SECONDS_BETWEEN_LINES = 10

    def __init__(self, what: str, total: int, shown: bool = True, first: int = 0):
        self.what, self.total, self.shown, self.first = what, total, shown, first
        self.started = self.printed = time.monotonic()
        self.bar = None
        if shown and sys.stderr.isatty():
            self.bar = tqdm(total=total, initial=first, desc=what, dynamic_ncols=True)

    def update(self, done: int, note: str = "") -> None:
        """`done` of `total` are done."""
        if self.bar is not None:
            self.bar.set_postfix_str(note)
            self.bar.update(done - self.bar.n)
            if done >= self.total:
                self.bar.close()
        elif self.shown:
            self._line(done, note)

    def _line(self, done: int, note: str) -> None:
        now = time.monotonic()
        if done < self.total and now - self.printed < self.SECONDS_BETWEEN_LINES:
            return
        self.printed = now
        spent = now - self.started
        left = spent / max(1, done - self.first) * (self.total - done)
        times = f"{duration(spent)} gone, {duration(left)} left"
        tail = f", {note}" if note else ""
        print(f"{self.what}: {done}/{self.total}, {times}{tail}", file=sys.stderr, flush=True)
