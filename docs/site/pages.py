"""What `make docs-site` adds to MkDocs: pages from all over the repository, and a gallery of what
is published."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from satseg.pages.captions import CAPTIONS

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published"
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md", "results/README.md"]
LINKED = ["config/papers.yaml", "docs/site/extra.css", "docs/tutorial.ipynb"]
TABLES = ["scores", "per_class", "errors", "claims", "published", "splits", "models"]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the pages of the gallery in the navigation."""
    results = [
        {"Published results": "results/published/README.md"},
        {"Gallery": "gallery/index.md"},
        *({study.name: f"gallery/{study.name}.md"} for study in studies()),
    ]
    for entry in config.nav:
        if "Results" in entry:
            entry["Results"] = results
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The theme's files, every page and picture under its path in the repository, the gallery, and
    the reports of the studies that were built here."""
    theirs = [file for file in files if not str(file.abs_src_path).startswith(str(ROOT / "docs"))]
    documents = sorted((ROOT / "docs").rglob("*.md"))
    pictures = [
        path for folder in ("docs", "results/published") for path in pictures_in(ROOT / folder)
    ]
    ours = [*PAGES, "results/published/README.md", *LINKED]
    ours += [path.relative_to(ROOT).as_posix() for path in [*documents, *pictures]]
    made = [
        File.generated(config, f"gallery/{study.name}.md", content=study_page(study))
        for study in studies()
    ]
    reports = [*PUBLISHED.glob("*/report.html"), *(ROOT / "results").glob("*/report.html")]
    reports.sort(key=lambda path: path.parent.name)
    made += [
        File.generated(config, f"reports/{path.parent.name}.html", abs_src_path=str(path))
        for path in reports
    ]
    made.append(File.generated(config, "gallery/index.md", content=index(reports)))
    return Files([*theirs, *(repository_file(config, path) for path in ours), *made])


def repository_file(config: MkDocsConfig, path: str) -> File:
    """A file of the repository as one of the site."""
    return File(path, str(ROOT), config.site_dir, config.use_directory_urls)


def pictures_in(folder: Path) -> list[Path]:
    """Every picture below a folder."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix in (".png", ".svg")]


def studies() -> list[Path]:
    """The folders of published studies."""
    return sorted(path.parent for path in PUBLISHED.glob("*/tables"))


def about(study: Path) -> str:
    """What the page on the published results says of a study."""
    text = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    return re.split(r"^## ", text.split(f"## `{study.name}/`\n")[1], flags=re.M)[0].strip()


def study_page(study: Path) -> str:
    """A study: what is to be said of it, its figures with their captions, its tables."""
    parts = [f"# {study.name}", about(study), "## Figures"]
    for path in pictures_in(study / "figures"):
        caption = CAPTIONS[path.stem]
        link = f"../results/published/{study.name}/figures/{path.name}"
        parts.append(f"![{caption.title}]({link})\n\n**{caption.title}** {caption.text}")
    for name in TABLES:
        table = study / "tables" / f"{name}.md"
        text = table.read_text(encoding="utf-8") if table.exists() else ""
        if "\n|" in text:
            parts.append(re.sub(r"^#", "##", text, flags=re.M).strip())
    return "\n\n".join(parts) + "\n"


def index(reports: list[Path]) -> str:
    """The overview of the gallery."""
    parts = [
        "# Gallery",
        "Figures and tables of the studies whose results are published. `satseg run` makes a "
        "report of the same from any study.",
        '<div class="cards" markdown="span">',
    ]
    for study in studies():
        cover = f"results/published/{study.name}/figures/predictions.png"
        parts.append(
            f"[![Predictions of {study.name}](../{cover}) **{study.name}**]({study.name}.md)"
        )
    parts.append("</div>")
    parts.append("## Reports")
    if reports:
        parts.append("Each a single page, of the studies published with one or run in this folder:")
        names = [path.parent.name for path in reports]
        parts.append("\n".join(f"- [{name}](../reports/{name}.html)" for name in names))
    else:
        shown = "../results/published/report/desktop.png"
        parts.append(f"How a report begins:\n\n![The report of a study, its answer first]({shown})")
    return "\n\n".join(parts) + "\n"
