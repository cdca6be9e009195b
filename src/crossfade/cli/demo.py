"""`crossfade demo`: a cluster of its own, the walkthrough on it, and the result left running."""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from crossfade.cli.render import indented, progress, styled

if TYPE_CHECKING:
    from crossfade.demo.replay import Outcome, Shell
    from crossfade.demo.walkthrough import Step


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="replay the DJ walkthrough",
        description="Starts a cluster of its own, replays the DJ walkthrough on it with the real kubectl, and says at "
        "each step what to look at. The cluster stays up until Ctrl-C.",
    )
    demo.add_argument("--once", action="store_true", help="end the cluster after the last step")
    demo.set_defaults(run=run_demo)


def run_demo(arguments: argparse.Namespace) -> int:
    """Exit code 0 only if every step showed what it must."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="crossfade-demo-") as folder:
        data_dir = Path(folder)
        try:
            return _demo(data_dir, once=arguments.once)
        finally:
            _crossfade("down", "--data-dir", str(data_dir))


def _demo(data_dir: Path, *, once: bool) -> int:
    from crossfade.demo.replay import shell
    from crossfade.shipped import examples_root

    started = time.monotonic()
    if _crossfade("up", "--detach", "--data-dir", str(data_dir)) != 0:
        return 1
    _say(f"The cluster is up after {time.monotonic() - started:.1f} s.")
    gateway_url = _gateway_url(data_dir)
    with shell(kubeconfig=data_dir / "kubeconfig", gateway_url=gateway_url, examples_root=examples_root()) as session:
        failed = _replay(session)
    for line in failed:
        print(styled(f"failed: {line}", "red", sys.stderr), file=sys.stderr)
    if not failed:
        _say(f"Every step showed what it must ({time.monotonic() - started:.0f} s).")
    if not once:
        _stay(data_dir, gateway_url)
    return 1 if failed else 0


def _replay(session: "Shell") -> list[str]:
    from crossfade.demo.walkthrough import CHAPTERS

    failed: list[str] = []
    for number, chapter in enumerate(CHAPTERS, 1):
        print(styled(f"\nStep {number}: {chapter.title}\n", "bold", sys.stdout), flush=True)
        for step in chapter.steps:
            command = step.command.replace("$GATEWAY", session.environment["GATEWAY"])
            print(styled(f"$ {command}", "cyan", sys.stdout), flush=True)
            with progress("waiting for it to show what it must") if sys.stderr.isatty() else nullcontext():
                outcome = session.run(step)
            _show(step, outcome)
            failed += [f"`{command}` did not show: {claim}" for claim in outcome.failures]
    return failed


def _show(step: "Step", outcome: "Outcome") -> None:
    print(indented(outcome.output), end="")
    for expected in step.shows:
        held = expected.claim not in outcome.failures
        mark = styled("look", "green", sys.stdout) if held else styled("expected, not seen", "red", sys.stdout)
        print(f"  {mark}: {expected.claim}")
    for claim in outcome.failures:
        if claim not in [expected.claim for expected in step.shows]:
            print(f"  {styled('expected, not seen', 'red', sys.stdout)}: {claim}")
    print(flush=True)


def _stay(data_dir: Path, gateway_url: str) -> None:
    _say(f"The gateway answers on {gateway_url}/dj/jazz -H 'apikey:kong-secret'")
    _say(f"KUBECONFIG={data_dir / 'kubeconfig'}")
    _say("Ctrl-C ends the cluster.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(file=sys.stderr)


def _gateway_url(data_dir: Path) -> str:
    import msgspec

    report = subprocess.run(
        [sys.executable, "-m", "crossfade.cli", "status", "--data-dir", str(data_dir), "--output", "json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    return f"http://127.0.0.1:{msgspec.json.decode(report.stdout)['ports']['http']}"


def _crossfade(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "crossfade.cli", *arguments], check=False).returncode


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
