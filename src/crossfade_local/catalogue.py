"""Which program an image reference stands for: there is no image store, a list of patterns takes its place.

There are two: the user's file, and the list that the cluster was started with. In each the first pattern that matches
wins. The file's entry is taken unless the list's says more of the name: "*" is not meant for the cluster's own images.
"""

import pwd
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import yaml
from msgspec import Meta, Struct, ValidationError, convert, field, structs

# The kernel takes the largest number for "leave it as it is", which would be root.
Uid = Annotated[int, Meta(ge=0, le=2**32 - 2)]
_PROGRAM: Final = re.compile(r"(/[^/\0]+)+|[^/\0]+")
_WILDCARDS: Final = re.compile(r"[*?\[]")


class Image(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry. `argv` is what an image calls its entry point: `command` replaces it, `args` are appended."""

    match: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: Uid | Annotated[str, Meta(min_length=1)] = 0
    """A number, or the name of a user of this machine."""
    programs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Programs that the image has besides: by absolute path, or by a name that is found on the PATH."""


class User(NamedTuple):
    uid: int
    gid: int


class CatalogueError(Exception):
    """An entry cannot be used; the text names file or entry, and field."""


class Catalogue:
    """Reads the user's file again when it has changed, so that an entry added for a waiting pod takes effect."""

    def __init__(self, user_file: Path | None, built_in: tuple[Image, ...] = ()) -> None:
        self._user_file = user_file
        self._built_in = built_in
        self._user: tuple[Image, ...] = ()
        self._modified_ns = -1
        self._refresh()

    @property
    def images(self) -> tuple[Image, ...]:
        return self._user + self._built_in

    def find(self, reference: str) -> Image | None:
        """Raises CatalogueError when the user's file has become unreadable."""
        self._refresh()
        return choose(find_image(self._user, reference), find_image(self._built_in, reference))

    def how_to_add(self, reference: str) -> str:
        """What to tell the owner of a pod whose image is unknown."""
        where = f"{self._user_file}" if self._user_file else "a file given with `crossfade up --images FILE`"
        return (
            f'no entry of the image catalogue matches "{reference}"; add one to {where}, for example '
            f'{{match: "{_without_tag(reference)}", argv: [/path/to/program]}}'
        )

    def _refresh(self) -> None:
        if self._user_file is None:
            return
        try:
            modified_ns = self._user_file.stat().st_mtime_ns
            if modified_ns != self._modified_ns:
                self._user = parse_images(self._user_file.read_text(encoding="utf-8"), source=str(self._user_file))
                self._modified_ns = modified_ns
        except OSError as error:
            raise CatalogueError(f"image catalogue {self._user_file}: {error.strerror}") from error


def find_image(images: Iterable[Image], reference: str) -> Image | None:
    """A pattern without a tag also matches the reference with its tag or digest left off."""
    bare = _without_tag(reference)
    for image in images:
        if fnmatchcase(reference, image.match) or fnmatchcase(bare, image.match):
            return image
    return None


def choose(of_user: Image | None, built_in: Image | None) -> Image | None:
    """The user's, unless the built-in pattern has more text before its first wildcard."""
    if of_user and built_in and _named_part(of_user) < _named_part(built_in):
        return built_in
    return of_user or built_in


def user_of(image: Image) -> User:
    """Whom the program runs as. Raises CatalogueError for a name that this machine does not have."""
    if isinstance(image.user, int):
        return User(image.user, image.user)
    try:
        account = pwd.getpwnam(image.user)
    except KeyError:
        raise CatalogueError(
            f'image catalogue: the entry for "{image.match}" has the user "{image.user}", who does not exist on this '
            "machine: its containers cannot start; give the name of another user, or a number without quotes"
        ) from None
    return User(account.pw_uid, account.pw_gid)


def parse_images(text: str, *, source: str, placeholders: Mapping[str, str] | None = None) -> tuple[Image, ...]:
    """Raises CatalogueError naming the entry and the field."""
    try:
        entries: Any = yaml.load(text, Loader=yaml.CSafeLoader)
        images = convert(entries or [], tuple[Image, ...])
    except (yaml.YAMLError, ValidationError) as error:
        raise CatalogueError(
            f"image catalogue {source}: {error}; expected a list of {{match, argv, env, workdir, user, programs}}"
        ) from error
    for image in images:
        if not image.argv:
            raise CatalogueError(f'image catalogue {source}: the entry for "{image.match}" has an empty argv')
        _check_programs(image, source)
    return tuple(_filled(image, placeholders) for image in images) if placeholders else images


def paths_named(images: Iterable[Image]) -> set[Path]:
    """Directories that containers must reach: of programs given by absolute path, and working directories."""
    named = set()
    for image in images:
        if image.argv[0].startswith("/") and Path(image.argv[0]).exists():
            named.add(Path(image.argv[0]).parent)
        if image.workdir != "/" and Path(image.workdir).is_dir():
            named.add(Path(image.workdir))
    return named


def _filled(image: Image, placeholders: Mapping[str, str]) -> Image:
    def fill(text: str) -> str:
        for name, value in placeholders.items():
            text = text.replace(name, value)
        return text

    programs = {name: tuple(map(fill, argv)) for name, argv in image.programs.items()}
    return structs.replace(image, argv=tuple(map(fill, image.argv)), programs=programs)


def _check_programs(image: Image, source: str) -> None:
    for name, argv in image.programs.items():
        is_place = bool(_PROGRAM.fullmatch(name)) and not {".", ".."} & set(name.split("/"))
        if not is_place or not argv:
            raise CatalogueError(
                f'image catalogue {source}: the entry for "{image.match}" has the program {name!r}: it must be an '
                "absolute path or a plain name, with the words to start it with"
            )


def _named_part(image: Image) -> int:
    """Length of what the pattern says of an image's name, up to its first wildcard."""
    return len(_WILDCARDS.split(image.match, maxsplit=1)[0])


def _without_tag(reference: str) -> str:
    name = reference.partition("@")[0]
    head, separator, last = name.rpartition("/")
    return head + separator + last.partition(":")[0]
