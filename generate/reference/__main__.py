"""`python -m generate.reference`: writes the pages and removes those that are no longer made."""

from pathlib import Path

from generate.reference.pages import FOLDER, pages


def write_pages(folder: Path = FOLDER) -> None:
    made = pages()
    for path in folder.rglob("*.md"):
        if str(path.relative_to(folder)) not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
