"""`python -m images` (`make images`): builds the container images of images/Containerfile without a daemon."""

import argparse
import sys
from pathlib import Path

from crossfade import __version__
from images.archive import Archive, write_archive
from images.builder import Builder, BuildError, Settings
from images.debian import lock_text, read_all
from images.sizes import over_limit, table

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "images"
LOCK = ROOT / "images" / "debian.lock"
TARGETS = ("controller", "proxy", "proxy-init", "djapp")
# The walkthrough's manifests name the application by App Mesh's tag.
MORE_TAGS = {"djapp": ("v1.0",)}


def main() -> int:
    arguments = _arguments()
    settings = Settings(
        OUT / "cache", arguments.arch, is_fresh=arguments.fresh, is_locked=arguments.locked, base=arguments.debian
    )
    try:
        builder = Builder(settings)
        archives = [_build(builder, target, arguments) for target in arguments.images]
        _keep_beside(builder)
    except BuildError as problem:
        print(f"images: {problem}", file=sys.stderr)
        return 1
    print(table(archives))
    for complaint in (complaints := over_limit(archives)):
        print(f"images: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _build(builder: Builder, target: str, arguments: argparse.Namespace) -> Archive:
    _say(f"{target}")
    suffix = f"-{arguments.arch}" if arguments.arch else ""
    layout = builder.build(target)
    tags = (arguments.tag, *MORE_TAGS.get(target, ()))
    return write_archive(layout, OUT / f"{target}{suffix}.tar", f"{arguments.prefix}/{target}", tags)


def _keep_beside(builder: Builder) -> None:
    """Bills of materials, and the versions that were taken of Debian's packages."""
    folder = builder.files_of("beside", OUT / "cache" / "beside")
    for path in sorted((folder / "sbom").iterdir()):
        (OUT / f"{path.name}.cdx.json").write_bytes((path / "sbom.cdx.json").read_bytes())
    before = read_all(LOCK.read_text())
    after = before | read_all((folder / "debian.lock").read_text())
    if after == before:
        return
    LOCK.write_text(lock_text(after))
    moved = ", ".join(name for name, _ in sorted(after) if after[name, _] != before.get((name, _)))
    _say(f"images/debian.lock has new versions of {moved}: commit it")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m images", description=__doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument(
        "--prefix", default="docker.io/crossfade", help="before the images' names (default: %(default)s)"
    )
    parser.add_argument("--tag", default=__version__, help="default: %(default)s")
    parser.add_argument("--arch", choices=("amd64", "arm64"), help="default: this machine's")
    parser.add_argument(
        "--locked", action="store_true", help="refuse versions of Debian's packages that are not in the lock file"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="take Debian's newest packages, and nothing of earlier builds"
    )
    parser.add_argument("--debian", metavar="IMAGE", help="build in this image of Debian 12 instead of one made here")
    arguments = parser.parse_args()
    if unknown := set(arguments.images) - set(TARGETS):
        parser.error(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    arguments.images = arguments.images or list(TARGETS)
    return arguments


def _say(text: str) -> None:
    print(f"images: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
