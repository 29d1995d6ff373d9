"""What processes are said to use is what they use, each counted once."""

import os
import subprocess
import sys

from tests.load.usage import spent, usage_by_name, usage_of

BUSY = "import time\ninput()\nstarted = time.process_time()\nwhile time.process_time() - started < 0.3: pass\nprint(flush=True)\ninput()"


def test_the_cpu_of_a_process_and_its_children_is_counted_once() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        before = usage_by_name({"own": os.getpid(), "child": child.pid})
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()
        after = usage_by_name({"own": os.getpid(), "child": child.pid})
        together = usage_of(os.getpid())
        child.communicate(b"\n")

    used = spent(before, after)
    assert used["child"] >= 0.25
    assert used["own"] < 0.25
    assert together.cpu_seconds >= after["own"].cpu_seconds + 0.25
    assert together.peak_mib > after["own"].peak_mib > 5


def test_a_process_that_is_gone_used_nothing() -> None:
    assert usage_of(2**22 + 1) == (0, 0)
