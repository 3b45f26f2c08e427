"""Writes `config/README.md` and `config/schema.json` from the configuration classes."""

import json
from typing import Any, get_args

from pydantic import BaseModel

from satseg.config.reading import FILES, ROOT
from satseg.config.root import Config


def schema() -> str:
    """JSON schema of the whole configuration, for editors."""
    return json.dumps(Config.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def readme() -> str:
    """`config/README.md`: every key, its type, default and meaning."""
    parts = [
        "# Configuration\n",
        "Made by `python -m satseg.config.docs` from `src/satseg/config/`; edit there.\n",
        "| file | key | holds |\n|---|---|---|",
    ]
    sections: list[type[BaseModel]] = []
    for key, field in Config.model_fields.items():
        file = FILES.get(key, "studies/<name>.yaml")
        kinds = _sections(field.annotation)
        sections += kinds
        links = ", ".join(f"[{k.__name__}](#{k.__name__.lower()})" for k in kinds)
        holds = f"{_line(field.description)} {links}".strip()
        parts.append(f"| `{file}` | {f'`{key}`' if key in FILES else 'the file'} | {holds} |")
    parts.append(
        "\nValues given with `snakemake --configfile my.yaml` go over these, key by key, for example"
        "\n`datasets: {dubai: {path: /data/dubai}}`.\n"
    )
    done: list[type[BaseModel]] = []
    while sections:
        section = sections.pop(0)
        if section in done:
            continue
        done.append(section)
        types = section.model_json_schema()["properties"]
        rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
        for key, field in section.model_fields.items():
            default = "required" if field.is_required() else f"`{_plain(field.default)}`"
            meaning = _line(field.description or "").replace("|", "\\|")
            rows.append(f"| `{key}` | {_type(types[key])} | {default} | {meaning} |")
            sections += _sections(field.annotation)
        parts += [f"## {section.__name__}\n", _line(section.__doc__) + "\n", *rows, ""]
    return "\n".join(parts)


def _line(text: str) -> str:
    """A docstring on one line, as a table's cell must be."""
    return " ".join(text.split())


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        return json.dumps(value.model_dump(exclude_defaults=True))
    return json.dumps(value)


def _sections(kind: Any) -> list[type[BaseModel]]:
    """Every section class an annotation mentions, inside lists and dicts too."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [m for a in get_args(kind) for m in _sections(a)]


def _type(value: dict) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in value:
            return " or ".join(dict.fromkeys(_type(v) for v in value[key]))
    if "enum" in value:
        return ", ".join(f"`{v}`" for v in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    kind = value.get("type", "any")
    if kind == "array":
        return f"list of {_type(value.get('items', {}))}"
    if kind == "object":
        # Keys that must look like names come as a pattern; what may be anything comes as `true`.
        entries = [*value.get("patternProperties", {}).values(), value.get("additionalProperties")]
        return f"keys with {_type(entries[0] if isinstance(entries[0], dict) else {})}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {value[b]:g}" for b, sign in bounds.items() if b in value)
    names = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
    }
    text = (
        "colour `#RRGGBB`"
        if "pattern" in value and "#" in value["pattern"]
        else names.get(kind, kind)
    )
    return f"{text} {limits}".strip()


def main() -> None:
    """Write both documents."""
    (ROOT / "config" / "README.md").write_text(readme(), encoding="utf-8")
    (ROOT / "config" / "schema.json").write_text(schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
