"""What `up` does on the machine: ports, the hold on the data directory, the channel to the node."""

import os
import resource
import shutil
import socket
from pathlib import Path

import pytest

from crossfade_local import control, descriptors, host_ports, preflight
from crossfade_local.data_dir import AlreadyRunningError, DataDir, UnusableDirectoryError
from crossfade_local.host_ports import PortTakenError
from crossfade_local.removal import NotRemovedError, remove_data


@pytest.fixture
def taken() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_taken_port_that_was_asked_for(taken: socket.socket) -> None:
    with taken, pytest.raises(PortTakenError, match=rf"--http-port {port_of(taken)}: .* \(process {os.getpid()}\)"):
        host_ports.open_listener(port_of(taken), default=8000, option="--http-port")


def test_two_options_that_name_one_port() -> None:
    with pytest.raises(PortTakenError, match=r"^--http-port and --https-port both name port 8000; choose another"):
        host_ports.check_distinct({"--api-port": None, "--http-port": 8000, "--https-port": 8000})
    host_ports.check_distinct({"--api-port": None, "--http-port": None, "--https-port": 8000})


def test_taken_default_gives_the_next_free_port(taken: socket.socket) -> None:
    with taken:
        listener = host_ports.open_listener(None, default=port_of(taken), option="--http-port")
        with listener.socket:
            assert listener.moved
            assert listener.port > port_of(taken)


def test_any_port_when_the_wanted_one_is_taken(taken: socket.socket) -> None:
    with taken:
        listener = host_ports.open_any(port_of(taken))
        with listener.socket:
            assert listener.moved


def test_one_cluster_per_directory(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / "cluster")
    directory.prepare()
    assert not directory.is_held()
    with directory.held():
        assert directory.running_pid() == os.getpid()
        directory.write_state({"pid": 42})
        assert directory.is_held()
        with pytest.raises(AlreadyRunningError, match="process 42"), DataDir(directory.root).held():
            pass
        assert directory.running_pid() == 42
    assert not directory.is_held()
    assert directory.running_pid() == 0


def test_directory_is_closed_to_others(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / "cluster")
    directory.prepare()
    assert directory.root.stat().st_mode & 0o777 == 0o700


def test_sockets_travel_with_messages(taken: socket.socket) -> None:
    ours, theirs = control.channel()
    with ours, theirs, taken:
        control.send(ours, {"op": "listening", "id": 1}, descriptor=taken.fileno())
        control.send(ours, {"op": "stop"})
        received = control.receive(theirs)
        assert received
        message, descriptor = received
        assert message == {"op": "listening", "id": 1}
        assert descriptor is not None
        with socket.socket(fileno=descriptor) as passed:
            assert passed.getsockname() == taken.getsockname()
        assert control.receive(theirs) == ({"op": "stop"}, None)
        ours.close()
        assert control.receive(theirs) is None


@pytest.mark.parametrize(
    ("mode", "option"),
    [
        (preflight.Mode.ROOT, "--mount"),
        (preflight.Mode.ROOTLESS, "--map-auto"),
        (preflight.Mode.SINGLE_UID, "--map-root-user"),
    ],
)
def test_namespaces_of_each_mode(mode: preflight.Mode, option: str) -> None:
    command = preflight.unshare_command(mode)
    assert option in command
    assert {"--net", "--pid", "--kill-child"} <= set(command)
    assert ("--user" in command) == (mode is not preflight.Mode.ROOT)


def test_deleted_directory_is_noticed(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / "cluster")
    directory.prepare()
    with directory.held():
        before = directory.identity()
        shutil.rmtree(directory.root)
        assert directory.identity() is None
        directory.prepare()
        with DataDir(directory.root).held():
            directory.write_state({"pid": 43})
            assert directory.identity() not in (None, before)
    assert not directory.is_held()


def test_other_peoples_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(UnusableDirectoryError, match="holds files that are not of a cluster"):
        DataDir(tmp_path).prepare()
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    with pytest.raises(UnusableDirectoryError, match=r"thesis\.txt is a file"):
        DataDir(tmp_path / "thesis.txt").prepare()
    with pytest.raises(UnusableDirectoryError, match="cannot make the data directory"):
        DataDir(Path("/proc/none/here")).prepare()


def test_folder_of_a_cluster_is_taken_again(tmp_path: Path) -> None:
    DataDir(tmp_path / "cluster").prepare()
    DataDir(tmp_path / "cluster").prepare()


@pytest.mark.parametrize(
    ("mode", "root"), [(preflight.Mode.ROOT, "this machine's root"), (preflight.Mode.ROOTLESS, "you")]
)
def test_what_root_in_a_container_is_is_said(mode: preflight.Mode, root: str) -> None:
    assert f"root in one is {root}" in mode.explain(preflight.SharedUser())


def test_data_are_removed_only_where_a_cluster_was(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(NotRemovedError, match="is not the data directory of a cluster"):
        remove_data(DataDir(tmp_path / "mine"))
    remove_data(DataDir(tmp_path / "nothing"))
    directory = DataDir(tmp_path / "cluster")
    directory.prepare()
    remove_data(directory)
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 524_288), 524_288),
        ((1024, 4096), 4096),
        ((1024, resource.RLIM_INFINITY), 1_048_576),
        ((1024, 1_073_741_816), 1_048_576),
        ((2_000_000, 2_000_000), 2_000_000),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), resource.RLIM_INFINITY),
    ],
)
def test_as_many_open_files_as_the_machine_allows(before: tuple[int, int], after: int) -> None:
    assert descriptors.raised(*before) == (after, before[1])
