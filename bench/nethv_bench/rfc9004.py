# SPDX-License-Identifier: BSD-3-Clause
"""The longest burst without loss (RFC 9004), in one direction, with an idle system before each. "At full speed" is as fast
as there is room: a system that lets its sender wait never loses a frame, and its burst has no end."""
import math
import statistics

from . import search
from .loads import Loads, check_content, largest
from .process import Failure
from .runner import Case

MAX_BURST = 1 << 21  # frames
SEARCHES = 3
AGAIN = 1            # times that a burst with loss is made again
STEP = 64            # frames to which a length is known: the generator sends so many at once


class Bursts(Loads):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.through = self.windowed()
        self.rates = {}  # by length: frames/s at which such a burst was sent

    def burst(self, n):
        """How many of its frames came."""
        got = self.g.trial(self.order(f"count={n}"), n / self.through)
        check_content(got, f"a burst of {n} frames")
        if got["unsent"]:
            raise Failure(f"a burst of {n} frames: no room for {got['unsent']} of them")
        self.rates[n] = n / max(got["send_ns"], 1) * 1e9
        return got["rx_packets"]

    def kept(self, n):
        """Of @n frames those that had to be kept: the others were forwarded meanwhile (RFC 9004, 6.4)."""
        return n * max(0.0, 1 - self.through / self.rates[n]) if n else 0.0

    def measure(self):
        # A ring has no rate: @burst is as fast as it can, so that no throughput is "that of the line".
        r = search.back_to_back(self.burst, MAX_BURST, self.through, math.inf, SEARCHES, STEP, AGAIN)
        counters = {"lengths": r.lengths, "longest_tried": MAX_BURST, "through_mpps": self.through / 1e6,
                    "sent_mpps": self.rates[max(r.lengths) or MAX_BURST] / 1e6}
        if r.outcome == search.Outcome.REGULAR:
            counters["kept_frames"] = statistics.fmean(self.kept(n) for n in r.lengths)
        return {"value": r.average, "outcome": str(r.outcome), "counters": counters}


def burst_case(frame, systems):
    def measure(o, name, system, work):
        with system.load(o, work, largest(frame)) as g:
            return Bursts(o, g, frame, direction="one").measure()
    return Case(f"v2v/b2b/{frame}", f"longest burst without loss, {frame} B", "b2b", "frames", "higher", systems, measure,
                frame=frame, direction="one")
