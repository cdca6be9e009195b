"""`python -m generate.charts`: writes the charts and removes files that are no longer made."""

from pathlib import Path

from generate.charts.files import FOLDER, all_files


def write_charts(folder: Path = FOLDER) -> None:
    made = all_files()
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_charts()
