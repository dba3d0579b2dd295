"""The control socket: whoever asks hears what came of it, and what is left of a dead service is no hindrance."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.workers.channel import Channel
from gateway.workers.control import Control, ControlError, ask
from gateway.workers.supervisor import Outcome


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gw") as folder:
        yield Path(folder) / "control"


async def refuse(said: Mapping[str, Any]) -> Outcome:
    return Outcome("refused", ("keys.yaml:3: no", "roles/idx.yaml:1: nor that", *map(str, said.values())))


async def test_what_came_of_it_is_heard(path: Path) -> None:
    control = Control(path, {"reload": refuse})
    await control.start()

    assert await ask(path, "reload") == await refuse({})
    assert (await ask(path, "reload", kind="counts")).faults[-1] == "counts"
    await control.stop()
    assert not path.exists()  # noqa: ASYNC240  # as above


async def test_what_a_dead_service_has_left_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    control = Control(path, {"reload": refuse})
    await control.start()

    assert (await ask(path, "reload")).how == "refused"
    await control.stop()


async def test_a_link_to_a_socket_is_not_followed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path.with_name("other")))
        path.symlink_to(path.with_name("other"))  # noqa: ASYNC240  # of the test's own disk

        with pytest.raises(ControlError, match="is a symbolic link, which is not followed"):
            await Control(path, {}).start()

    assert path.is_symlink()  # noqa: ASYNC240  # as above


async def test_a_file_of_somebody_else_is_not_removed(path: Path) -> None:
    path.write_text("precious", encoding="utf-8")  # noqa: ASYNC240  # of the test's own disk

    with pytest.raises(ControlError, match="no control socket can be made"):
        await Control(path, {}).start()
    assert path.read_text(encoding="utf-8") == "precious"  # noqa: ASYNC240  # as above


@pytest.mark.parametrize("line", [b"", b"{", b"[]\n", b'{"what": 1}\n', b"\xff\n"])
async def test_nonsense_is_answered_and_ends_nothing(path: Path, line: bytes) -> None:
    control = Control(path, {"reload": refuse})
    await control.start()
    channel = await Channel.to(str(path))
    channel._writer.write(line)
    channel._writer.write_eof()

    assert await channel.receive() == {"what": "outcome", "how": "refused", "faults": ["it is not known what that is"]}
    await channel.close()
    assert (await ask(path, "reload")).how == "refused"
    await control.stop()
