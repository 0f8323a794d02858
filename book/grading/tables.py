"""Tables as CSV files: read as spreadsheets save them, written so that no text is a formula."""

import csv
from pathlib import Path


def read(path, needed):
    """Return the rows of a CSV file as dicts, with the number of their line.

    A comma or a semicolon separates; columns have any order. ValueError: one clear sentence.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise ValueError(f"{path} must be saved as CSV in UTF-8.") from None
    head = lines[0] if lines else ""
    reader = csv.DictReader(lines, delimiter=";" if head.count(";") > head.count(",") else ",")
    names = [(name or "").strip().lower() for name in reader.fieldnames or []]
    if missing := [name for name in needed if name not in names]:
        raise ValueError(f"{path} must have a column {', '.join(missing)}, got {', '.join(names)}.")
    rows = []
    reader.fieldnames = names
    for row in reader:
        row = {name: (row[name] or "").strip() for name in names if name}
        if any(row.values()):
            rows.append(row | {"line": reader.line_num})
    return rows


def read_if_there(path, needed, columns):
    """Return the rows as dicts of these columns, '' for one that is missing; [] without the file.

    ValueError: a needed column is missing.
    """
    found = read(path, needed) if Path(path).exists() else []
    return [{name: row.get(name, "") for name in columns} for row in found]


def write(path, header, rows):
    """Write a header and rows of values."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def plain(value):
    """Return a value that a spreadsheet does not take for a formula, as it would '=...'."""
    formula = isinstance(value, str) and value.startswith(tuple("=+-@\t\r"))
    return f"'{value}" if formula else value
