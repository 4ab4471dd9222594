"""A report as Markdown, written anew after every section."""

from pathlib import Path


class Report:
    """``report.md`` in a folder, which also gets its pictures.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    title : str
    """

    def __init__(self, folder: Path, title: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._parts = [f"# {title}"]
        self._write()

    @property
    def path(self) -> Path:
        """The Markdown file."""
        return self.folder / "report.md"

    def add(self, heading: str, *paragraphs: str) -> None:
        """A section; paragraphs that are empty are left out."""
        self._parts += [f"## {heading}", *filter(None, paragraphs)]
        self._write()

    def picture(self, name: str) -> tuple[Path, str]:
        """Where to save a picture, and the Markdown that shows it."""
        return self.folder / name, f"![{Path(name).stem}]({name})"

    def _write(self) -> None:
        self.path.write_text("\n\n".join(self._parts) + "\n", "utf-8")
