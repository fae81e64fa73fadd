# SPDX-License-Identifier: BSD-3-Clause
"""unittest in TAP, and the way to what is tested. A test file ends with `tap.main()`, so that
`python3 -m unittest` and names of tests on the command line work as everywhere."""
import os
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench"))


def property_test(steps):
    """Randomness and a number of steps, by SEED and STEPS or else new each time. Prints the seed."""
    seed = int(os.environ["SEED"], 0) if "SEED" in os.environ else time.monotonic_ns()
    print(f"# SEED={seed}", file=sys.stderr, flush=True)
    return random.Random(seed), int(os.environ.get("STEPS", steps))


class _Result(unittest.TestResult):
    lines = 0

    def _line(self, word, test, more=""):
        self.lines += 1
        print(f"{word} {self.lines} - {test.id().removeprefix('__main__.')}{more}", flush=True)

    def _fault(self, test, err):
        self._line("not ok", test)
        print("".join(f"# {line}\n" for line in self._exc_info_to_string(err, test).splitlines()), end="")

    def addSuccess(self, test):
        self._line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("ok", test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fault(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._fault(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._fault(subtest, err)


class _Runner:
    def run(self, tests):
        result = _Result()
        tests(result)
        print(f"1..{result.lines}")
        return result


def main():
    unittest.main(testRunner=_Runner())
