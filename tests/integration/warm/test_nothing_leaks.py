"""What one run leaves in its processes is not there for the next, and all is as from cold."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from typing import Any

import pytest

# Of the process: who it is, or what differs from run to run by itself.
_SHOW_PROCESS = """
import os, sys, signal, resource, random, threading, locale, gc, warnings, tempfile, json
from pathlib import Path
shown = {
    "modules": sorted(name for name in sys.modules if not name.startswith("orch_nb.")),
    "environment": {k: v for k, v in os.environ.items()},
    "descriptors": sorted(os.readlink(f"/proc/self/fd/{n}").partition(":")[0]
                          .partition("claims-")[0] for n in os.listdir("/proc/self/fd")
                          if os.path.exists(f"/proc/self/fd/{n}")),
    "signals": [str(signal.getsignal(n)).partition(" at ")[0] for n in signal.valid_signals()],
    "blocked": [str(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "folder": os.getcwd(),
    "umask": os.umask(0o22),
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource)
               if n.startswith("RLIMIT_")},
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "cores": sorted(os.sched_getaffinity(0)),
    "threads": threading.active_count(),
    "path": sys.path,
    "argv": sys.argv[:1],
    "builtins": dir(__builtins__),
    "locale": locale.setlocale(locale.LC_ALL),
    "filters": [str(f) for f in warnings.filters],
    "names": sorted(n for n in globals() if n != "shown"),
    "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text(),
    "recursion": sys.getrecursionlimit(),
    "switch": sys.getswitchinterval(),
    "hooks": [str(sys.excepthook).partition(" at ")[0], len(sys.meta_path), len(sys.path_hooks)],
}
print(json.dumps(shown, sort_keys=True))
"""

_LEAVE_TRACES = """
import os, sys, signal, resource, random, threading, warnings, colorsys, xmlrpc.client, locale
os.environ["LEFT_BEHIND"] = "1"
os.environ.pop("LC_ALL", None)
os.chdir("/")
os.umask(0o077)
sys.path.insert(0, "/left")
sys.left = 1
import builtins
builtins.left = 1
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.signal(signal.SIGUSR2, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
left_open = open("/dev/null")
left_pipe = os.pipe()
os.set_inheritable(left_pipe[0], True)
random.seed(1)
warnings.simplefilter("ignore")
sys.setrecursionlimit(5000)
os.nice(1)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.excepthook = print
"""


@pytest.fixture(params=[True, False], ids=["rehearsed", "forked"])
def bench(bench: Any, request: pytest.FixtureRequest) -> Any:
    """A bench whose commands are run by processes that have rehearsed, or by fresh ones."""
    bench.rehearsed = request.param
    return bench


def _differing(warm: str, cold: str) -> dict[str, Any]:
    """What is there in one and not in the other, thing by thing."""
    found: dict[str, Any] = {}
    told, expected = json.loads(warm), json.loads(cold)
    expected["descriptors"].remove("pipe")  # what a cold template says as it ends is heard
    told["descriptors"].remove("/dev/null")
    for name in expected.keys() | told.keys():
        if told[name] != expected[name]:
            sides = [list(map(str, side)) for side in (told[name], expected[name])]
            only = [[one for one in a if one not in b] for a, b in (sides, sides[::-1])]
            found[name] = only if any(only) else sides
    return found


@pytest.mark.parametrize("libraries", ["", "import numpy as np\nimport pandas as pd\n"])
def test_a_run_is_as_from_cold_whatever_ran_before(bench: Any, libraries: str) -> None:
    show = libraries + _SHOW_PROCESS
    (cold,) = bench.printed(show, warm=False)
    bench.printed(show)
    bench.printed(libraries + _LEAVE_TRACES, name="traces.ipynb")
    for _ in range(4):
        (warm,) = bench.printed(show)
        if "pipe" not in json.loads(warm)["descriptors"]:
            break  # else it was a cold run after all: the machine is busy
    assert _differing(warm, cold) == {}


def test_no_two_runs_draw_the_same_and_a_seeded_one_does(bench: Any) -> None:
    unseeded = (
        "import random, numpy as np, uuid, secrets",
        "print(random.random(), np.random.rand(), np.random.default_rng().random())",
        "print(uuid.uuid4(), secrets.token_hex(4), hash(object()) * 0)",
    )
    drawn = [bench.printed(*unseeded) for _ in range(3)]
    for first, second in ((0, 1), (1, 2)):
        for a, b in zip(drawn[first][1].split(), drawn[second][1].split(), strict=True):
            assert a != b
        assert drawn[first][2] != drawn[second][2]
    seeded = (
        "import random, numpy as np",
        "random.seed(7); np.random.seed(7)",
        "print(random.random(), np.random.rand())",
    )
    assert bench.printed(*seeded) == bench.printed(*seeded) == bench.printed(*seeded, warm=False)


def test_blas_has_its_threads(bench: Any) -> None:
    count = (
        "import numpy as np, threadpoolctl\n"
        "np.ones((50, 50)) @ np.ones((50, 50))\n"
        "print(sorted((p['user_api'], p['num_threads']) for p in threadpoolctl.threadpool_info()))"
    )
    (cold,) = bench.printed(count, warm=False)
    bench.printed("import numpy as np, threadpoolctl\nthreadpoolctl.threadpool_limits(1)")
    assert bench.printed(count) == bench.printed(count) == [cold]
    assert "blas" in cold


def test_the_command_has_the_caller_s_own(bench: Any) -> None:
    """Folder, umask, soft limits, environment and ignored signals are those of this caller."""
    show = (
        "import os, resource",
        "print(os.getcwd(), oct(os.umask(0)), os.environ['MINE'],"
        " resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.environ.get('HERS'))",
    )
    (bench.folder / "deep").mkdir()
    bench.write(*show, name="deep/sales.ipynb")
    before = bench.served()

    def set_up() -> None:
        os.umask(0o027)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (333, hard))

    done = subprocess.run(
        bench.command("run", "sales.ipynb", "--log-output"),
        cwd=bench.folder / "deep",
        env={**bench.environ, "SSH_MINE": "1", "MINE": "yes"},
        preexec_fn=set_up,
        capture_output=True,
        text=True,
        check=True,
    )
    assert bench.served() == before + 1
    assert f"{bench.folder}/deep 0o27 yes 333 None" in done.stdout
    output = bench.folder / "deep" / "sales.run.ipynb"
    assert output.stat().st_mode & 0o777 == 0o640


def test_standard_input_and_other_descriptors_reach_the_command(bench: Any) -> None:
    bench.write("x = 1\nprint(x)", name="sales.ipynb")
    document = (bench.folder / "sales.ipynb").read_text()
    read, write = os.pipe()
    os.write(write, b"x: 5\n")
    os.close(write)
    before = bench.served()
    done = subprocess.run(
        bench.command("run", "-", "-o", "-", "-f", f"/dev/fd/{read}"),
        cwd=bench.folder,
        env=bench.environ,
        input=document,
        pass_fds=[read],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(read)
    assert bench.served() == before + 1
    cold = subprocess.run(
        bench.command("run", "-", "-o", "-", "--no-warm"),
        cwd=bench.folder,
        env=bench.environ,
        input=document,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, cold.returncode) == (2, 0)  # it has no parameter x: so it was read
    assert "so 'x' can't be set" in done.stderr
    assert '"print(x)"' in cold.stdout
