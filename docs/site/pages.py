"""What `make docs-site` adds to MkDocs: pages from all over the repository, and a gallery of what
is published."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from reports import dark_too, published_caption, published_report

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published"
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md", "results/README.md"]
LINKED = ["config/papers.yaml", "docs/site/extra.css", "docs/tutorial.ipynb"]
LIGHT, DARK = ".light", ".dark"
STYLE = re.compile(r"<style>@media \(prefers-color-scheme: dark\) \{(.*?)\}</style>", re.S)
DRAWING = re.compile(r'(<img [^>]*src=")([^":]+)\.svg("[^>]*>)')
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
    made = []
    for study in studies():
        page = study_page(study)
        report = published_report(study, about(study))
        made.append(File.generated(config, f"gallery/{study.name}.md", content=page))
        made.append(File.generated(config, f"reports/{study.name}.html", content=report))

    local = sorted((ROOT / "results").glob("*/report.html"))
    made += [
        File.generated(config, f"reports/here/{path.parent.name}.html", abs_src_path=str(path))
        for path in local
    ]
    made.append(File.generated(config, "gallery/index.md", content=index(local)))
    for path in (path for path in pictures if path.suffix == ".svg"):
        place = path.relative_to(ROOT)
        made += [
            File.generated(config, str(place.with_suffix(f"{end}.svg")), content=drawing)
            for end, drawing in zip((LIGHT, DARK), two_drawings(path), strict=True)
        ]
    return Files([*theirs, *(repository_file(config, path) for path in ours), *made])


def two_drawings(path: Path) -> tuple[str, str]:
    """A drawing for light pages and for dark ones, whatever the reader's system prefers: the site
    has a switch of its own."""
    drawing = dark_too(path.read_text(encoding="utf-8"))
    return STYLE.sub("", drawing, count=1), STYLE.sub(r"<style>\1</style>", drawing, count=1)


def on_page_content(html: str, **_) -> str:
    """Show each drawing in the colours of the page."""
    return DRAWING.sub(
        lambda found: "".join(
            f"{found[1]}{found[2]}{end}.svg#only-{end[1:]}{found[3]}" for end in (LIGHT, DARK)
        ),
        html,
    )


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
    link = f"[The whole report on one page](../reports/{study.name}.html)"
    parts = [f"# {study.name}", link, about(study), "## Figures"]
    for path in pictures_in(study / "figures"):
        caption = published_caption(path.stem)
        link = f"../results/published/{study.name}/figures/{path.name}"
        parts.append(f"![{caption.title}]({link})\n\n**{caption.title}** {caption.text}")
    for name in TABLES:
        table = study / "tables" / f"{name}.md"
        text = table.read_text(encoding="utf-8") if table.exists() else ""
        if "\n|" in text:
            parts.append(re.sub(r"^#", "##", text, flags=re.M).strip())
    return "\n\n".join(parts) + "\n"


def index(local: list[Path]) -> str:
    """The overview of the gallery."""
    parts = [
        "# Gallery",
        "Reports, figures and tables of the studies whose results are published. `satseg run` "
        "makes such a report of any study.",
        '<div class="cards" markdown="span">',
    ]
    for study in studies():
        cover = f"results/published/{study.name}/figures/predictions.png"
        parts.append(
            f"[![Predictions of {study.name}](../{cover}) **{study.name}**]({study.name}.md)"
        )
    parts += [
        "</div>",
        "## Reports",
        "Each is a single page, made from the tables, figures and records that are published. At "
        "its top stands what is not published and so is missing there.",
        "\n".join(f"- [{study.name}](../reports/{study.name}.html)" for study in studies()),
    ]
    others = sorted(path.parent.name for path in PUBLISHED.glob("*/runs"))
    without = [name for name in others if name not in {study.name for study in studies()}]
    if without:
        parts.append(
            f"The runs of {' and '.join(without)} are published without tables: there is no report "
            "of them."
        )
    if local:
        names = [path.parent.name for path in local]
        parts.append("Whole reports, of studies run in this folder:")
        parts.append("\n".join(f"- [{name}](../reports/here/{name}.html)" for name in names))
    return "\n\n".join(parts) + "\n"
