#!/usr/bin/env python3
"""Writes the files of a folder as C++: embed.py FOLDER OUTPUT.cpp DEPFILE

Names that begin with a dot, *.md, *.py and folders called tests stay out. The folders are dependencies
too, so that a new file is found.
"""
import sys
from pathlib import Path

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
         ".woff2": "font/woff2", ".json": "application/json"}


def files_below(folder, folders):
    folders.append(folder)
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")):
            continue
        if path.is_dir():
            if path.name != "tests":
                yield from files_below(path, folders)
        elif path.suffix in TYPES:
            yield path
        elif path.suffix not in (".md", ".py"):
            sys.exit(f"embed.py: {path}: no media type for {path.suffix or 'a name without ending'}")


def literal(data, width=40):
    rows = [data[i:i + width] for i in range(0, len(data), width)]
    return "\n    ".join('"' + "".join(f"\\{byte:03o}" for byte in row) + '"' for row in rows) or '""'


def main(folder, output, depfile):
    root, folders = Path(folder), []
    paths = list(files_below(root, folders))
    entries = []
    for path in paths:
        data = path.read_bytes()
        entries.append(f'  {{"{path.relative_to(root).as_posix()}", "{TYPES[path.suffix]}",\n'
                       f'   {{\n    {literal(data)},\n    {len(data)}}}}},\n')
    text = ('#include "app/serve/assets.h"\n\nnamespace espalier::app {\n'
            f'const Asset* find_asset(std::string_view name) {{\n  static constexpr Asset assets[] = {{\n'
            + "".join(entries) +
            "  };\n  for (const Asset& asset : assets)\n    if (asset.name == name) return &asset;\n"
            "  return nullptr;\n}\n}  // namespace espalier::app\n")
    Path(output).write_text(text)
    Path(depfile).write_text(f"{output}: " + " ".join(str(p).replace(" ", "\\ ") for p in [*folders, *paths]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
