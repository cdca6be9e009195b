"""The host side of the embedded cluster and its privilege boundary: opens ports, starts the node, keeps it running.

Everything else runs in the node's namespaces. When this process ends, however it ends, the whole cluster ends with it.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final

import msgspec

from crossfade_kube.backoff import Backoff
from crossfade_kube.meta import JsonObject
from crossfade_kube.port_owner import port_owner
from crossfade_local import control, descriptors, host_ports, preflight
from crossfade_local.catalogue import Catalogue, Image
from crossfade_local.cgroups import remove_group
from crossfade_local.data_dir import DataDir, UnusableDirectoryError, write_json
from crossfade_local.host_ports import Listener
from crossfade_local.last_words import last_words, log_end
from crossfade_local.node_settings import NodeSettings

API_PORT: Final = 6443
HTTP_PORT: Final = 8000
HTTPS_PORT: Final = 8443
_STOP_TIMEOUT_S: Final = 15.0
_HEALTHY_AFTER_S: Final = 20.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 30.0
_FIRST_SIGN_S: Final = 60.0
_SILENCE_S: Final = 15.0
# gRPC, which asks probes, would start threads when a container's first process is forked. The thread that forks has
# joined a pid namespace and may start none, and gRPC ends the whole process then.
_NODE_ENV: Final = {"GRPC_ENABLE_FORK_SUPPORT": "0"}
_RESOLVER_PORT: Final = 53
_MAX_SOCKET_PATH: Final = 107
_POLL_S: Final = 2.0
_LAST_STEPS_S: Final = 5.0
_MAX_LOG_BYTES: Final = 10 * 1024 * 1024


class UpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`None` ports were not asked for. `install` makes, while the node starts, what is applied once the API
    answers; its Deployments belong to ready.

    `egress`: pods reach what is outside. `images` is the user's catalogue, asked before `built_in_images`.
    `install_name` tells people what `install` is. `synchronous` is how durable a write is: normal, or full.
    `capacity` holds quantities of the node (`cpu`, `memory`, `pods`, …) where it is not to be the machine's.
    """

    data_dir: Path
    api_port: int | None = None
    http_port: int | None = None
    https_port: int | None = None
    images: Path | None = None
    built_in_images: tuple[Image, ...] = ()
    install: Callable[[], Sequence[JsonObject]] = tuple
    install_name: str = ""
    synchronous: str = "normal"
    egress: bool = True
    capacity: dict[str, str] = {}
    shared_user: preflight.SharedUser = preflight.SharedUser()


class ClusterFailedError(Exception):
    """The cluster cannot run however often it is started; the text says why and what to do."""


Say = Callable[[str], None]
Settled = Callable[[bool], None]
"""Called once: true when all that was to be installed works, false when it does not; the cluster runs in both cases."""


def run_cluster(settings: UpSettings, *, say: Say, settled: Settled) -> None:
    """Until a signal ends it. Every error it raises on purpose has a text for people."""
    directory = DataDir(settings.data_dir)
    directory.prepare()
    descriptors.raise_limit()
    if len(os.fsencode(directory.kubelet_socket)) > _MAX_SOCKET_PATH:
        raise preflight.NotPossibleError(
            f"the path {directory.root} is too long for the sockets in it; choose a shorter --data-dir"
        )
    with directory.held():
        _check_images(settings.images)
        mode, lack = preflight.choose_mode()
        say(mode.explain(settings.shared_user, lack))
        with contextlib.ExitStack() as stack:
            listeners = dict(_open_ports(settings, say))
            for listener in listeners.values():
                stack.enter_context(listener.socket)
            _write_inputs(directory, settings, _state(settings, mode, listeners))
            stack.callback(remove_group, directory.root)
            _Supervisor(directory, settings, mode, listeners, say=say, settled=settled).run()


def _write_inputs(directory: DataDir, settings: UpSettings, state: JsonObject) -> None:
    """What the node and other commands read. Raises UnusableDirectoryError."""
    with _writing_named(directory):
        write_json(directory.built_in_images, {"items": msgspec.to_builtins(settings.built_in_images)})
        directory.write_state(state)


@contextlib.contextmanager
def _writing_named(directory: DataDir) -> Iterator[None]:
    """Raises UnusableDirectoryError in place of OSError."""
    try:
        yield
    except OSError as error:
        problem = f"cannot write to the data directory {directory.root}: {error.strerror}; make that possible first"
        raise UnusableDirectoryError(problem) from error


def _check_images(images: Path | None) -> None:
    if images is not None:
        Catalogue(images)


def _open_ports(settings: UpSettings, say: Say) -> Iterator[tuple[str, Listener]]:
    wanted = (
        ("api", settings.api_port, API_PORT, "--api-port"),
        ("http", settings.http_port, HTTP_PORT, "--http-port"),
        ("https", settings.https_port, HTTPS_PORT, "--https-port"),
    )
    host_ports.check_distinct({option: port for _, port, _, option in wanted})
    for name, port, default, option in wanted:
        listener = host_ports.open_listener(port, default=default, option=option)
        if listener.moved:
            holder = port_owner(default)
            say(f"port {default} is in use{f' by {holder}' if holder else ''}: using {listener.port} for {name}")
        yield name, listener


def _state(settings: UpSettings, mode: preflight.Mode, listeners: dict[str, Listener]) -> JsonObject:
    return {
        "pid": os.getpid(),
        "mode": mode.value,
        "dataDir": str(settings.data_dir),
        "ports": {name: listener.port for name, listener in listeners.items()},
    }


class _Supervisor:
    """Starts the node again whenever it ends unasked or is stuck, on the same sockets, with growing pauses."""

    def __init__(
        self,
        directory: DataDir,
        settings: UpSettings,
        mode: preflight.Mode,
        listeners: dict[str, Listener],
        *,
        say: Say,
        settled: Settled,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._mode = mode
        self._listeners = listeners
        self._say = say
        self._settled = settled
        self._identity = directory.identity()
        self._sockets = _open_sockets_table()
        self._stopping = False
        self._fatal = ""
        self._ever_ready = False
        self._has_installation = False
        self._stuck = False

    def run(self) -> None:
        """Until it is asked to end. Raises ClusterFailedError for what no other try can mend."""
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        with _signals_to_descriptor() as signals:
            while True:
                started, since = time.monotonic(), log_end(self._directory.node_log)
                problem = self._run_node(signals)
                if self._fatal:
                    raise ClusterFailedError(self._fatal)
                if self._stopping:
                    return
                if time.monotonic() - started > _HEALTHY_AFTER_S:
                    backoff.reset()
                pause_s = backoff.next_s()
                reason = problem or last_words(self._directory.node_log, since=since) or "it said nothing"
                self._tell_end(reason, pause_s)
                self._pause(signals, pause_s)

    def _run_node(self, signals: socket.socket) -> str:
        """Why it could not run; empty when its log is to say."""
        self._stuck = False
        try:
            with self._start_node() as end:
                self._serve(end, signals)
        except OSError as error:
            return f"it cannot be started ({error})"
        return f"it has not given a sign of life for {_SILENCE_S:g} s" if self._stuck else ""

    def _tell_end(self, reason: str, pause_s: float) -> None:
        later = f" in {pause_s:.0f} s" if pause_s >= 1 else ""
        text = f"the node ended unexpectedly: {reason}; starting it again{later} (its log: {self._directory.node_log})"
        self._say(text)
        with contextlib.suppress(OSError), _open_log(self._directory.node_log) as log:
            log.write(f"up: {text}\n".encode())

    def _pause(self, signals: socket.socket, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(signals, selectors.EVENT_READ)
            if selector.select(seconds):
                signals.recv(64)
                self._stopping = True

    @contextlib.contextmanager
    def _start_node(self) -> Iterator[socket.socket]:
        ours, theirs = control.channel()
        resolver = _open_resolver()
        node = None
        try:
            with theirs, _open_log(self._directory.node_log) as log:
                node = self._spawn(theirs, resolver, log.fileno())
            self._hand_over_installation(ours)
            yield ours
        finally:
            ours.close()
            if resolver:
                resolver.close()
            if node:
                _end(node, patience_s=0.0 if self._stuck else _LAST_STEPS_S)

    def _spawn(self, theirs: socket.socket, resolver: socket.socket | None, log: int) -> subprocess.Popen[bytes]:
        passed = [
            theirs,
            *(one for one in (resolver, self._sockets) if one),
            *(one.socket for one in self._listeners.values()),
        ]
        settings = NodeSettings(
            data_dir=str(self._directory.root),
            api_descriptor=self._listeners["api"].socket.fileno(),
            control_descriptor=theirs.fileno(),
            listeners={name: self._listeners[name].socket.fileno() for name in ("http", "https")},
            resolver_descriptor=resolver.fileno() if resolver else None,
            sockets_descriptor=self._sockets.fileno() if self._sockets else None,
            egress=self._settings.egress,
            images=str(self._settings.images.absolute()) if self._settings.images else None,
            synchronous=self._settings.synchronous,
            capacity=self._settings.capacity,
            shared_user_env=dict(self._settings.shared_user.env),
            shared_user_env_by_uid={uid: dict(env) for uid, env in self._settings.shared_user.env_by_uid.items()},
        )
        command = [sys.executable, "-m", "crossfade_local.init", msgspec.json.encode(settings).decode()]
        return subprocess.Popen(
            [*preflight.unshare_command(self._mode), *command],
            env={**os.environ, **_NODE_ENV, "PATH": preflight.search_path()},
            pass_fds=[one.fileno() for one in passed],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=preflight.die_with_parent,
        )

    def _hand_over_installation(self, end: socket.socket) -> None:
        """Made once. Raises UnusableDirectoryError."""
        if not self._has_installation:
            installation = {"name": self._settings.install_name, "items": list(self._settings.install())}
            with _writing_named(self._directory):
                write_json(self._directory.install, installation)
            self._has_installation = True
        # A node that is gone is noticed by who serves it.
        with contextlib.suppress(OSError):
            control.send(end, {"op": "installation"})

    def _serve(self, end: socket.socket, signals: socket.socket) -> None:
        """Until the node ends, asked or unasked, or does not give a sign of life any more."""
        stop_by = None
        heard_by = time.monotonic() + _FIRST_SIGN_S
        with selectors.DefaultSelector() as selector:
            selector.register(end, selectors.EVENT_READ)
            selector.register(signals, selectors.EVENT_READ)
            while not self._stopping or stop_by is not None:
                timeout = _POLL_S if stop_by is None else max(0.0, min(_POLL_S, stop_by - time.monotonic()))
                ready = {key.fileobj for key, _ in selector.select(timeout)}
                if end in ready:
                    if not self._answer(end):
                        return
                    heard_by = time.monotonic() + _SILENCE_S
                if signals in ready:
                    signals.recv(64)
                    stop_by = stop_by or self._ask_to_stop(end)
                # After a pause of this process itself, what the node said meanwhile is read first.
                self._stuck = end not in ready and time.monotonic() > heard_by
                if self._stuck or (stop_by is not None and time.monotonic() >= stop_by):
                    return
                self._stop_if_deleted()

    def _ask_to_stop(self, end: socket.socket) -> float:
        """Gives the time at which it is over, asked or not."""
        self._stopping = True
        with contextlib.suppress(OSError):
            control.send(end, {"op": "stop"})
        return time.monotonic() + _STOP_TIMEOUT_S

    def _stop_if_deleted(self) -> None:
        if not self._stopping and self._directory.identity() != self._identity:
            # Nobody could ever find this cluster again.
            self._say(f"{self._directory.root} was deleted: stopping")
            self._stopping = True

    def _answer(self, end: socket.socket) -> bool:
        """One message of the node; false when it is gone."""
        received = control.receive(end)
        if received is None:
            return False
        message, _ = received
        match message["op"]:
            case "progress" | "problem":
                self._say(message["text"])
            case "fatal":
                self._fatal = message["text"]
            case "ready" | "incomplete" as outcome:
                first, self._ever_ready = not self._ever_ready, True
                if message["text"]:
                    self._say(message["text"])
                if first:
                    self._settled(outcome == "ready")
                elif outcome == "ready":
                    self._say("the cluster is ready again")
            case "listen":
                self._open_for(end, message)
            case "socket":
                self._open_socket_for(end, message)
        return True

    def _open_for(self, end: socket.socket, message: JsonObject) -> None:
        try:
            opened = host_ports.open_exactly if message.get("exactly") else host_ports.open_any
            listener = opened(message["port"], socket.SocketKind(message["kind"]))
        except (host_ports.PortTakenError, OSError) as error:
            control.send(end, {"op": "listening", "id": message["id"], "error": str(error)})
            return
        with listener.socket:
            answer = {"op": "listening", "id": message["id"], "port": listener.port}
            control.send(end, answer, descriptor=listener.socket.fileno())

    def _open_socket_for(self, end: socket.socket, message: JsonObject) -> None:
        """An unconnected socket of the machine's network, for what leaves the cluster."""
        try:
            opened = socket.socket(message["family"], message["kind"])
        except OSError as error:
            control.send(end, {"op": "socket", "id": message["id"], "error": str(error)})
            return
        with opened:
            control.send(end, {"op": "socket", "id": message["id"]}, descriptor=opened.fileno())


def _end(node: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """Not at once where it ends by itself: when a killed `unshare` is gone, processes in its namespaces may not be."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        node.wait(patience_s)
    node.kill()
    node.wait()


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


@contextlib.contextmanager
def _signals_to_descriptor() -> Iterator[socket.socket]:
    """A socket that becomes readable when the process is asked to end."""
    reading, writing = socket.socketpair()
    for end in (reading, writing):
        end.setblocking(False)
    former = signal.set_wakeup_fd(writing.fileno())

    def note(_number: int, _frame: FrameType | None) -> None:
        """The descriptor has been written to by the interpreter."""

    asked: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    handlers = {number: signal.signal(number, note) for number in asked}
    try:
        yield reading
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former)
        reading.close()
        writing.close()


def _open_sockets_table() -> BinaryIO | None:
    """The kernel's list of the machine's sockets, read anew by whoever holds it: the node is in another network."""
    try:
        return Path("/proc/net/unix").open("rb")
    except OSError:
        return None


def _open_resolver() -> socket.socket | None:
    """Connected here, in the machine's network, to which it belongs for good."""
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            found = socket.socket(socket.AF_INET6 if ":" in words[1] else socket.AF_INET, socket.SOCK_DGRAM)
            try:
                found.connect((words[1], _RESOLVER_PORT))
            except OSError:
                found.close()
                continue
            return found
    return None
