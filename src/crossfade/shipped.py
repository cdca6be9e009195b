"""Files that come with the code and are no code: the examples."""

from pathlib import Path


def examples_root() -> Path:
    """The folder with `examples/`: a clone's root, or the installed package.

    Raises FileNotFoundError where neither has it.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package.parent.parent, package):
        if (candidate / "examples" / "djapp").is_dir():
            return candidate
    raise FileNotFoundError("the examples are missing: run from a clone of the repository")
