"""`crossfade backup` and `crossfade restore`: the embedded cluster as one file."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from crossfade.cli.local import add_data_dir
from crossfade_local.data_dir import DataDir


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    save = commands.add_parser(
        "backup",
        help="save the embedded cluster to a file",
        description="Objects, keys and kubeconfig, as of one moment; the cluster may run. Keep the file as you keep"
        " private keys. Files in persistent volumes are not in it.",
    )
    add_data_dir(save)
    save.add_argument("file", type=Path, metavar="FILE", help="a .tar.gz that does not exist yet")
    save.set_defaults(run=run_backup)
    restore = commands.add_parser(
        "restore",
        help="put a saved embedded cluster back",
        description="Into a data directory that is new or empty; `crossfade up` then starts it.",
    )
    add_data_dir(restore)
    restore.add_argument("file", type=Path, metavar="FILE", help="what `crossfade backup` has written")
    restore.set_defaults(run=run_restore)


def run_backup(arguments: argparse.Namespace) -> int:
    from crossfade_local.backup import save

    return _run("backup", save, arguments, done="saved to")


def run_restore(arguments: argparse.Namespace) -> int:
    from crossfade_local.backup import restore

    return _run("restore", restore, arguments, done="put back from")


def _run(name: str, step: Callable[[DataDir, Path], str], arguments: argparse.Namespace, *, done: str) -> int:
    from crossfade_local.backup import BackupError

    directory, file = DataDir(arguments.data_dir), arguments.file.expanduser().absolute()
    try:
        note = step(directory, file)
    except BackupError as error:
        print(f"crossfade {name}: {error}", file=sys.stderr)
        return 1
    print("\n".join(filter(None, (f"{directory.root} {done} {file}", note))), file=sys.stderr)
    return 0
