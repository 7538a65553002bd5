"""Show progress and remaining time: a bar in a terminal, a plain line now and then in a log."""

import sys
import time

from tqdm import tqdm


def duration(seconds: float) -> str:
    """Seconds as text, such as 1:02:03 or 2:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Progress:
    """Counts from `start` to `total` on stderr. enabled: False shows nothing, for all processes of
    a stage but the first. brief: show nothing either of what ends before its first line."""

    SECONDS_BETWEEN_LINES = 10

    def __init__(
        self, label: str, total: int, enabled: bool = True, start: int = 0, brief: bool = False
    ):
        self.label, self.total, self.enabled, self.start = label, total, enabled, start
        self.count = start
        self.start_time = self.last_print = time.monotonic()
        self.bar, self.prints_end = None, not brief
        if enabled and sys.stderr.isatty():
            looks = {"desc": label, "dynamic_ncols": True, "leave": not brief}
            self.bar = tqdm(total=total, initial=start, **looks)

    def update(self, count: int, note: str = "") -> None:
        """Show `count` of `total`, the time remaining and a note."""
        self.count = count
        if self.bar is not None:
            self.bar.set_postfix_str(note)
            self.bar.update(count - self.bar.n)
            if count >= self.total:
                self.bar.close()
        elif self.enabled:
            self._print_line(count, note)

    def advance(self, number: int) -> None:
        """Show so many more."""
        if number:
            self.update(self.count + number)

    def _print_line(self, count: int, note: str) -> None:
        now = time.monotonic()
        is_end = count >= self.total and self.prints_end
        if not is_end and now - self.last_print < self.SECONDS_BETWEEN_LINES:
            return
        self.last_print, self.prints_end = now, True
        # a resumed run begins at `start`: what it did before took other time than is measured here
        elapsed = now - self.start_time
        remaining = elapsed / max(1, count - self.start) * (self.total - count)
        times = f"{duration(elapsed)} gone, {duration(remaining)} left"
        suffix = f", {note}" if note else ""
        print(f"{self.label}: {count}/{self.total}, {times}{suffix}", file=sys.stderr, flush=True)
