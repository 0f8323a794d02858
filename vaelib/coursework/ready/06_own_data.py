import math

import torch


def table_to_tensor(table, kinds):
    """Return a table of texts as floats, (N, D); NaN where a cell is empty."""

    def number(name, kind, text):
        if text == "":
            return math.nan
        if isinstance(kind, list) and text in kind:
            return kind.index(text)
        try:
            value = math.nan if isinstance(kind, list) else float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (kind == "count" and (value < 0 or value % 1)):
            raise ValueError(f"Column {name!r} must have texts of the kind {kind}, got {text!r}.")
        return value

    columns = []
    for name, kind in kinds.items():
        if name not in table:
            raise ValueError(f"table must have a column {name!r}, got {sorted(table)}.")
        if not isinstance(kind, list) and kind not in ("number", "count"):
            raise ValueError(f"The kind of {name!r} must be number, count or a list, got {kind!r}.")
        columns.append([number(name, kind, text) for text in table[name]])
        if len(columns[-1]) != len(columns[0]):
            raise ValueError(f"Column {name!r} must have {len(columns[0])} rows, "
                             f"got {len(columns[-1])}.")  # fmt: skip
    return torch.tensor(columns, dtype=torch.float32).T.contiguous()


def bits(log_p, values, cell=None):
    """Return bits per value, from log-likelihoods of whole rows in nats."""
    widths = torch.ones(values) if cell is None else torch.as_tensor(cell).expand(values)
    return -(log_p + widths.log().sum().item()) / (values * math.log(2))
