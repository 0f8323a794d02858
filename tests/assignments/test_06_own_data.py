"""Wrong and right answers to chapters/assignments/06_own_data.ipynb.

Each replaces the whole source of one answer cell. The wrong ones fail exactly the test cells that
"loses" names, the right ones fail none.
"""

from harness import edited, variants
from variant_tests import variant_tests

from vaelib import coursework as cw

STUDENT = 1234567  # the key's number
VARIANTS, wrong, right = variants()


# Part 1: a table -------------------------------------------------------------------------

_TABLE = """
def table_to_tensor(table, kinds):
    columns, rows = [], None
    for name, kind in kinds.items():
        if name not in table:
            raise ValueError(name)
        if kind not in ("number", "count") and not isinstance(kind, list):
            raise ValueError(name)
        texts, column = table[name], []
        rows = len(texts) if rows is None else rows
        if len(texts) != rows:
            raise ValueError(name)
        for text in texts:
            if text == "":
                column.append(float("nan"))
            elif isinstance(kind, list):
                if text not in kind:
                    raise ValueError(f"{name}: {text}")
                column.append(float(kind.index(text)))
            else:
                try:
                    value = float(text)
                except ValueError as error:
                    raise ValueError(f"{name}: {text}") from error
                if not math.isfinite(value):
                    raise ValueError(f"{name}: {text}")
                if kind == "count" and (value < 0 or value % 1):
                    raise ValueError(f"{name}: {text}")
                column.append(value)
        columns.append(torch.tensor(column, dtype=torch.float32))
    return torch.stack(columns, 1)
"""
_FINITE = """                if not math.isfinite(value):
                    raise ValueError(f"{name}: {text}")
"""

for what, loses, *changes in (
    ("columns first", ["", "-hidden"], ("columns, 1)", "columns, 0)")),
    ("an empty cell is a zero", ["", "-hidden"], ('float("nan")', "0.0")),
    ("names counted from 1", ["", "-hidden"], ("kind.index(text))", "kind.index(text) + 1)")),
    ("float64", ["", "-hidden"], ("torch.float32", "torch.float64")),
    ("the table's order of columns", [""], ("kinds.items()", "((n, kinds[n]) for n in "
     "[*(n for n in table if n in kinds), *(n for n in kinds if n not in table)])")),
    ("nan and inf pass as numbers", ["-hidden"], (_FINITE, "")),
    ("a count may be negative", [""], ("value < 0 or value % 1", "value % 1")),
    ("a count may be half", [""], ("value < 0 or value % 1", "value < 0")),
    ("names sorted instead of in their order", ["", "-hidden"],
     ("kind.index(text)", "sorted(kind).index(text)")),
    ("a name may be given by its place", ["-hidden"],
     ("                if text not in kind:", "                if text.isdigit() and text not in "
      "kind:\n                    text = kind[int(text)]\n                if text not in kind:")),
    ("a short column is padded with gaps", ["-hidden"],
     ("        if len(texts) != rows:\n            raise ValueError(name)\n",
      "        texts = list(texts) + [''] * (rows - len(texts))\n")),
    ("a missing column ends in a KeyError", ["-hidden"],
     ("        if name not in table:\n            raise ValueError(name)\n", "")),
    ("an unknown kind is read as a number", ["-hidden"],
     ('        if kind not in ("number", "count") and not isinstance(kind, list):\n'
      "            raise ValueError(name)\n", "")),
    ("the message does not say which column", [""],
     ('as error:\n                    raise ValueError(f"{name}: {text}")',
      'as error:\n                    raise ValueError(f"bad text {text}")')),
):  # fmt: skip
    wrong("table-to-tensor", what, loses, edited(_TABLE, *changes))

wrong(
    "table-to-tensor",
    "a name that is not in the list becomes a gap",
    ["", "-hidden"],
    edited(
        _TABLE,
        ("text not in kind", "not isinstance(text, str)"),
        ("float(kind.index(text))", "float(kind.index(text)) if text in kind else math.nan"),
    ),
)
wrong(
    "table-to-tensor",
    "whatever looks like a number is one, also a name",
    ["-hidden"],
    edited(
        _TABLE,
        (
            "elif isinstance",
            "elif isinstance(kind, list) and text.isdigit() and text in kind:\n"
            "                column.append(float(text))\n"
            "            elif isinstance",
        ),
    ),
)
wrong(
    "table-to-tensor",
    "integers where all columns are names",
    ["-hidden"],
    edited(_TABLE, ("float(kind.index(text))", "kind.index(text)"), (", dtype=torch.float32", "")),
)
right("table-to-tensor", "column by column", _TABLE)
right(
    "table-to-tensor",
    "NumPy, a dict of names for each category, regular expressions for counts",
    """
import re

def table_to_tensor(table, kinds):
    lengths = {name: len(table.get(name, ())) for name in kinds}
    first = next(iter(lengths.values()))
    result = np.full((first, len(kinds)), np.nan, dtype=np.float32)
    for j, (name, kind) in enumerate(kinds.items()):
        if name not in table or lengths[name] != first:
            raise ValueError(f"column {name} is missing or too short")
        if isinstance(kind, list):
            code = {text: float(i) for i, text in enumerate(kind)}.__getitem__
        elif kind == "number":
            code = float
        elif kind == "count":
            def code(text):
                if not re.fullmatch("[0-9]+", text):
                    raise ValueError(text)
                return float(text)
        else:
            raise ValueError(f"column {name}: unknown kind {kind}")
        for i, text in enumerate(table[name]):
            if text:
                try:
                    result[i, j] = code(text)
                except (ValueError, KeyError) as error:
                    raise ValueError(f"column {name}, row {i}: {text}") from error
                if not np.isfinite(result[i, j]):
                    raise ValueError(f"column {name}, row {i}: {text}")
    return torch.from_numpy(result)
""",
)

# Part 2: a row with gaps -----------------------------------------------------------------

_ROW = """
def log_row(out, log_scale, x, kinds):
    seen = ~x.isnan()
    safe = x.masked_fill(~seen, 0.0)
    parts, at = [], 0
    for j, kind in enumerate(kinds):
        value = safe[:, j]
        if kind == "number":
            o, at = out[..., at], at + 1
            error = (value - o) / log_scale[j].exp()
            log_p = -0.5 * error**2 - log_scale[j] - 0.5 * math.log(2 * math.pi)
        elif kind == "count":
            o, at = out[..., at], at + 1
            log_p = value * o - o.exp() - torch.lgamma(value + 1)
        else:
            o, at = out[..., at : at + kind], at + kind
            hot = torch.nn.functional.one_hot(value.long(), kind).to(out.dtype)
            log_p = (hot * torch.log_softmax(o, -1)).sum(-1)
        parts.append(log_p * seen[:, j])
    return torch.stack(parts).sum(0)
"""
_ALL = ["", "-values", "-gradients"]

for what, loses, *changes in (
    ("exp(log_scale) taken for the variance", _ALL,
     ("log_scale[j].exp()", "(0.5 * log_scale[j]).exp()"),
     ("- log_scale[j] -", "- 0.5 * log_scale[j] -")),
    ("½ log 2π missing", _ALL[:2], (" - 0.5 * math.log(2 * math.pi)", "")),
    ("log σ missing", _ALL, (" - log_scale[j] - 0.5", " - 0.5")),
    ("log x! missing", _ALL[:2], (" - torch.lgamma(value + 1)", "")),
    ("log Γ(x) for log x!", _ALL[:2], ("torch.lgamma(value + 1)", "torch.lgamma(value + 1e-6)")),
    ("the rate itself is the output", _ALL, ("value * o - o.exp()", "value * o.abs().log() - o")),
    ("logits without their normaliser", _ALL, ("torch.log_softmax(o, -1)", "o")),
    ("a softmax, then its logarithm: -inf for large logits", ["-values"],
     ("(hot * torch.log_softmax(o, -1)).sum(-1)", "(hot * torch.softmax(o, -1)).sum(-1).log()")),
    ("a gap counts as the value 0", _ALL, ("log_p * seen[:, j]", "log_p")),
    ("an average over the columns", _ALL, (".sum(0)", ".mean(0)")),
    ("an average over the observed columns", _ALL,
     (".sum(0)", ".sum(0) / seen.sum(1).clamp(min=1)")),
    ("a row with a gap is dropped", _ALL, (".sum(0)", ".sum(0) * seen.all(1)")),
    ("every column has one output", _ALL, ("at + kind\n", "at + 1\n")),
    ("the scale of the first column for all", _ALL,
     ("log_scale[j].exp()", "log_scale[0].exp()"), ("- log_scale[j] -", "- log_scale[0] -")),
    ("the gaps of x are filled in place", _ALL,
     ("x.masked_fill(~seen, 0.0)", "x.nan_to_num_(0.0)")),
    ("no gradient reaches the scales", _ALL[2:], ("seen = ~x", "log_scale = log_scale.detach()\n"
     "    seen = ~x")),
    ("scales below 1 are not allowed", _ALL, ("seen = ~x", "log_scale = log_scale.clamp(min=0)\n"
     "    seen = ~x")),
):  # fmt: skip
    wrong("log-row", what, loses, edited(_ROW, *changes))

for what, loses, *changes in (
    ("no gradient through the counts", _ALL[2:],
     ("value * o - o.exp()", "(value * o - o.exp()).detach() - 0")),
    ("no gradient through the normaliser of the names", _ALL[2:],
     ("torch.log_softmax(o, -1)", "(o - torch.logsumexp(o, -1, True).detach())")),
    ("gradients are switched off for good", _ALL[1:],
     ("seen = ~x", "torch.set_grad_enabled(False)\n    seen = ~x")),
    ("tensors must be contiguous", _ALL[1:2],
     ("seen = ~x", "out = out.view(-1).view(out.shape)\n    seen = ~x")),
    ("a single row loses its axis", _ALL[1:2], ("return torch.stack(parts).sum(0)",
     "return torch.stack([part.squeeze() for part in parts]).sum(0)")),
    ("float32 whatever is given", _ALL[1:],
     ("safe = x.masked", "x = x.float()\n    safe = x.masked"),
     ("torch.stack(parts).sum(0)", "torch.stack(parts).sum(0).float()")),
):  # fmt: skip
    wrong("log-row", what, loses, edited(_ROW, *changes))

wrong(
    "log-row",
    "the gap is taken out after the formula: NaN on the way back",
    ["-gradients"],
    edited(
        _ROW,
        ("x.masked_fill(~seen, 0.0)", "x"),
        ("value.long()", "value.nan_to_num(0.0).long()"),
        ("log_p * seen[:, j]", "torch.where(seen[:, j], log_p, torch.zeros_like(log_p))"),
    ),
)
wrong(
    "log-row",
    "nansum: the same NaN on the way back",
    ["-gradients"],
    edited(
        _ROW,
        ("x.masked_fill(~seen, 0.0)", "x"),
        ("value.long()", "value.nan_to_num(0.0).long()"),
        ("log_p * seen[:, j]", "log_p + 0 * value"),
        ("torch.stack(parts).sum(0)", "torch.stack(parts).nansum(0)"),
    ),
)
wrong(
    "log-row",
    "a very small number for the gap, not none",
    _ALL,
    edited(_ROW, ("log_p * seen[:, j]", "torch.where(seen[:, j], log_p, 1e-5 * log_p)")),
)
right("log-row", "one-hot names, products with the mask", _ROW)
right(
    "log-row",
    "torch.distributions on filled values, logsumexp of masks",
    """
def log_row(out, log_scale, x, kinds):
    D, total, at = torch.distributions, 0, 0
    for j, kind in enumerate(kinds):
        seen = torch.isfinite(x[:, j])
        value = torch.nan_to_num(x[:, j], nan=1.0)
        if kind == "number":
            p, at = D.Normal(out[..., at], torch.exp(log_scale[j])), at + 1
        elif kind == "count":
            p, at = D.Poisson(torch.exp(out[..., at])), at + 1
        else:
            p, at = D.Categorical(logits=out[..., at : at + kind]), at + kind
        total = total + torch.where(seen, p.log_prob(value), 0.0)
    return total
""",
)
right(
    "log-row",
    "row by row, only the cells that are there",
    """
def log_row(out, log_scale, x, kinds):
    rows = []
    for b in range(x.shape[0]):
        at, total = 0, out[:, b, 0] * 0
        for j, kind in enumerate(kinds):
            n = kind if isinstance(kind, int) else 1
            o, v, at = out[:, b, at : at + n], x[b, j], at + n
            if math.isnan(v.item()):
                continue
            if kind == "number":
                total = total - ((v - o[:, 0]) / log_scale[j].exp()) ** 2 / 2
                total = total - log_scale[j] - math.log(2 * math.pi) / 2
            elif kind == "count":
                total = total + v * o[:, 0] - o[:, 0].exp() - math.lgamma(v.item() + 1)
            else:
                total = total + o[:, int(v)] - torch.logsumexp(o, 1)
        rows.append(total)
    return torch.stack(rows, 1)
""",
)

# Part 3: bits ----------------------------------------------------------------------------

_BITS = """
def bits(log_p, values, cell=None):
    width = torch.ones(values) if cell is None else torch.as_tensor(cell).expand(values)
    return -(log_p + width.log().sum()) / values / math.log(2)
"""
for what, *changes in (
    ("nats", (" / math.log(2)", "")),
    ("bits per row", (" / values", "")),
    ("the cell once for a row", ("width.log().sum()", "width.log().mean()")),
    ("the sign of the cell", ("log_p + width", "log_p - width")),
    ("a probability per cell: divided by w", ("width.log().sum()", "-width.log().sum()")),
    ("the sign", ("return -(", "return (")),
    ("the mean width for all", ("width.log().sum()", "values * width.mean().log()")),
    ("the mean over rows", ("-(log_p", "-(torch.as_tensor(log_p).mean()")),
    ("the cell is forgotten", ("log_p + width.log().sum()", "log_p")),
    (
        "log_p is changed in place",
        ("return -(log_p + width.log().sum())", "log_p += width.log().sum()\n    return -log_p"),
    ),
    ("cell is changed in place", ("width.log().sum()", "width.contiguous().log_().sum()")),
    (
        "the library's function under another name",
        (
            "    width =",
            "    from vaelib import bits_per_dimension as f\n    f(log_p, values)\n    width =",
        ),
    ),
):
    wrong("bits", what, [""], edited(_BITS, *changes))
right("bits", "widths of ones for a probability", _BITS)
right(
    "bits",
    "log2, a number or a sequence of widths, NumPy",
    """
def bits(log_p, values, cell=None):
    total = -log_p / np.log(2)
    if cell is not None:
        total = total - float(np.log2(np.broadcast_to(np.asarray(cell), values)).sum())
    return total / values
""",
)

# Part 4: gaps ----------------------------------------------------------------------------

_FILL = """
def fill(log_w, means, variances, x):
    w = (log_w - log_w.max(0).values).exp()
    w = (w / w.sum(0)).unsqueeze(-1)
    mean = (w * means).sum(0)
    variance = (w * variances).sum(0) + (w * (means - mean) ** 2).sum(0)
    gap = x.isnan()
    return torch.where(gap, mean, x), variance.sqrt() * gap
"""
_BOTH = ["", "-hidden"]
for what, loses, *changes in (
    ("no maximum is subtracted: 0 / 0", _BOTH, ("(log_w - log_w.max(0).values)", "log_w")),
    ("the maximum of all rows is subtracted", _BOTH, ("log_w.max(0).values", "log_w.max()")),
    ("uniform weights", _BOTH, ("(log_w - log_w.max(0).values)", "(0 * log_w)")),
    ("the code of the largest weight only", _BOTH,
     ("(log_w - log_w.max(0).values).exp()", "(log_w == log_w.max(0).values).to(log_w.dtype)")),
    ("weights normalized over the rows", _BOTH, ("w.sum(0)).", "w.sum(1, keepdim=True)).")),
    ("weights not normalized, divided by k", _BOTH, ("w.sum(0)).", "len(w)).")),
    ("the average weights of all rows", _BOTH,
     ("(w / w.sum(0))", "(w / w.sum(0)).mean(1, keepdim=True).expand_as(w)")),
    ("observed values are replaced too", _BOTH, ("torch.where(gap, mean, x)", "mean")),
    ("without Bob's own variance", _BOTH, ("(w * variances).sum(0) + ", "")),
    ("without the spread over codes", _BOTH, (" + (w * (means - mean) ** 2).sum(0)", "")),
    ("the variance, not its root", _BOTH, ("variance.sqrt() * gap", "variance * gap")),
    ("a deviation also where a value is there", _BOTH, ("variance.sqrt() * gap",
     "variance.sqrt()")),
    ("deviations averaged, not variances", _BOTH,
     ("(w * variances).sum(0) + (w * (means - mean) ** 2).sum(0)",
      "((w * variances.sqrt()).sum(0) + (w * (means - mean) ** 2).sum(0).sqrt()) ** 2")),
    ("squares minus the squared mean: rounding eats it", ["-hidden"],
     ("(w * variances).sum(0) + (w * (means - mean) ** 2).sum(0)",
      "(w * (variances + means**2)).sum(0) - mean**2")),
    ("Bob's variance is not weighted", _BOTH, ("(w * variances).sum(0)", "variances.mean(0)")),
    ("the spread is not weighted", _BOTH, ("(w * (means - mean) ** 2).sum(0)",
     "((means - mean) ** 2).mean(0)")),
    ("log-weights cut at -80: even weights where all are small", _BOTH,
     ("(log_w - log_w.max(0).values)", "log_w.clamp(-80, 80)")),
    ("x is filled in place", _BOTH, ("return torch.where(gap, mean, x),",
     "x[gap] = mean[gap]\n    return x,")),
    ("log_w is changed in place", ["-hidden"], ("(log_w - log_w.max(0).values)",
     "log_w.sub_(log_w.max(0).values)")),
    ("the spread has k - 1", _BOTH, ("(w * (means - mean) ** 2).sum(0)",
     "(w * (means - mean) ** 2).sum(0) * len(w) / (len(w) - 1)")),
    ("gradients are switched off for good", ["-hidden"],
     ("gap = x.isnan()", "torch.set_grad_enabled(False)\n    gap = x.isnan()")),
    ("the axes of one code and one row are lost", ["-hidden"],
     ("(w / w.sum(0)).unsqueeze(-1)", "(w / w.sum(0)).squeeze().unsqueeze(-1)")),
):  # fmt: skip
    wrong("fill", what, loses, edited(_FILL, *changes))
right("fill", "the largest log-weight subtracted", _FILL)
right(
    "fill",
    "row by row, logsumexp, in double precision",
    """
def fill(log_w, means, variances, x):
    filled, sd = x.clone(), torch.zeros_like(x)
    log_w = log_w - torch.logsumexp(log_w, 0)
    for b in range(len(x)):
        w = log_w[:, b].double().exp()
        for j in range(x.shape[1]):
            if x[b, j] != x[b, j]:
                m, v = means[:, b, j].double(), variances[:, b, j].double()
                filled[b, j] = w @ m
                sd[b, j] = (w @ (v + (m - w @ m) ** 2)).sqrt()
    return filled, sd
""",
)
right(
    "fill",
    "NumPy, nothing attached, a list of two",
    """
def fill(log_w, means, variances, x):
    a, m, v, y = (t.detach().numpy() for t in (log_w, means, variances, x))
    w = np.exp(a - a.max(0, keepdims=True))
    w = w / w.sum(0, keepdims=True)
    mean = np.einsum("kb,kbd->bd", w, m)
    var = np.einsum("kb,kbd->bd", w, v + (m - mean) ** 2)
    gap = np.isnan(y)
    return [torch.from_numpy(np.where(gap, mean, y)),
            torch.from_numpy(np.where(gap, np.sqrt(var), 0).astype(y.dtype))]
""",
)

# Part 5: the mistake ---------------------------------------------------------------------

_DIAGNOSE = """
def diagnose(suspect):
    x = torch.tensor([[2.0, -1.0], [0.5, 3.0]], dtype=torch.float64)
    m = torch.tensor([[0.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    s = torch.tensor([0.6, -0.4], dtype=torch.float64)

    def log_p(scale, constant=0.5 * math.log(2 * math.pi)):
        return -((x - m) / scale) ** 2 / 2 - scale.log() - constant

    def same(a, b):
        return bool(((a - b).abs() < 1e-4).all())

    both = suspect(x, m, s)
    if not same(both[:1], suspect(x[:1], m[:1], s)):
        return "batch"
    if same(both, log_p(s.exp()).mean(1)):
        return "average"
    if same(both, log_p((s / 2).exp()).sum(1)):
        return "variance"
    if same(both, log_p(s.exp(), 0).sum(1)):
        return "constant"
    holes = x.clone()
    holes[:, 0] = math.nan
    return "none" if same(suspect(holes, m, s), log_p(s.exp())[:, 1]) else "gap"
"""
for what, loses, *changes in (
    ("asks with σ = 1", _BOTH, ("[0.6, -0.4]", "[0.0, 0.0]")),
    ("asks about two equal rows", _BOTH, ("[[2.0, -1.0], [0.5, 3.0]]", "[[2.0, -1.0]] * 2"),
     ("[[0.0, 1.0], [1.0, -1.0]]", "[[0.0, 1.0]] * 2"),
     ("suspect(x[:1], m[:1], s)", "suspect(x[1:], m[1:], s)"),
     ("both[:1]", "both[1:]")),
    ("asks with one column", _BOTH, ("[[2.0, -1.0], [0.5, 3.0]]", "[[2.0], [0.5]]"),
     ("[[0.0, 1.0], [1.0, -1.0]]", "[[0.0], [1.0]]"), ("[0.6, -0.4]", "[0.6]"),
     ("holes[:, 0] = math.nan", "holes[0] = math.nan"),
     ("log_p(s.exp())[:, 1]", "(log_p(s.exp())[:, 0] * torch.tensor([0, 1]))")),
    ("compares without a tolerance", _BOTH, ("((a - b).abs() < 1e-4)", "(a == b)")),
    ("never asks about a gap", _BOTH, ("holes[:, 0] = math.nan", "return 'none'")),
    ("a NaN is taken for right", ["-hidden"],
     ("((a - b).abs() < 1e-4)", "~((a - b).abs() > 1e-4)")),
    ("the wide tolerance of a quarter nat", ["-hidden"], ("1e-4", "0.25")),
    ("the rest is called batch", _BOTH, ('else "gap"', 'else "batch"')),
):  # fmt: skip
    wrong("diagnose", what, loses, edited(_DIAGNOSE, *changes))
wrong(
    "diagnose",
    "rows are called dependent only if their values are equal",
    ["-hidden"],
    edited(
        _DIAGNOSE,
        ("not same(both[:1], suspect(x[:1], m[:1], s))", "same(both[:1], both[1:])"),
    ),
)
wrong("diagnose", "says none", _BOTH, "def diagnose(suspect):\n    return 'none'")
wrong(
    "diagnose",
    "a gap is only compared with a gap at the value 0",
    ["-hidden"],
    edited(
        _DIAGNOSE,
        (
            'return "none" if same(suspect(holes, m, s), log_p(s.exp())[:, 1]) else "gap"',
            "x[:, 0] = 0\n"
            '    return "gap" if same(suspect(holes, m, s), log_p(s.exp()).sum(1)) else "none"',
        ),
    ),
)
right("diagnose", "two rows, two columns, doubles", _DIAGNOSE)
right(
    "diagnose",
    "differences of answers instead of the formula",
    """
def diagnose(suspect):
    def ask(x, mean=None, log_scale=None):
        x = torch.tensor(x)
        mean = torch.zeros_like(x) if mean is None else torch.tensor(mean)
        scale = torch.zeros(x.shape[1]) if log_scale is None else torch.tensor(log_scale)
        return suspect(x, mean, scale).double()

    pair, c = [[0.0, 2.0], [1.0, -3.0]], 0.5 * math.log(2 * math.pi)
    means = [[0.0, 0.5], [4.0, 1.0]]
    if abs(ask(pair, means)[0] - ask(pair[:1], means[:1])[0]) > 1e-3:
        return "batch"
    one, two = ask([[0.0]])[0], ask([[0.0, 0.0]])[0]
    if abs(one) < 1e-3:
        return "constant"
    if abs(one - two) < 1e-3:
        return "average"
    if abs(ask([[0.0]], None, [1.0])[0] - (-c - 1)) > 1e-3:
        return "variance"
    gone = ask([[math.nan, 0.0]], [[3.0, 0.0]], [0.5, 0.0])[0]
    return "none" if abs(gone + c) < 1e-3 else "gap"
""",
)

_LINE, *_ = _LINES = list(cw._repairs("06_own_data", STUDENT))
_CATCHES = f"""
LINE = {_LINE}

def catches(program):
    train, rows, step = WINES[TRAIN], WINES[VALIDATION], STEP
    mean = np.nanmean(train.numpy(), 0)
    sd = np.nanstd(train.numpy(), 0)
    z = (rows.numpy() - mean) / sd
    log_p = -z**2 / 2 - np.log(2 * np.pi) / 2 + np.log(step.numpy() / sd)
    bits = -np.nanmean(log_p) / np.log(2)
    return not abs(program.baseline(train, rows, step) - bits) < 1e-3
"""
for what, *changes in (
    ("another line", (f"LINE = {_LINE}", f"LINE = {max(_LINES) + 1}")),
    ("no line", (f"LINE = {_LINE}", "LINE = 0")),
    ("every program is wrong", ("return not abs", "return True or abs")),
    ("every program but mine is right", ("return not abs", "return program is mine and not abs")),
    ("asks about a table without gaps",
     ("WINES[TRAIN], WINES[VALIDATION]", "(WINES[i].nan_to_num(1.0) for i in (TRAIN, VALIDATION))"),
     ("train, rows, step = (", "train, rows = ("), (", STEP\n", "\n    step = STEP\n")),
    ("compares without a tolerance", ("< 1e-3", "< 1e-12")),
    ("an average over columns, where the program counts values", ("np.nanmean(log_p)",
     "np.nanmean(log_p, 0).mean()")),
    ("reads the source", ("return not abs", "return 'standardize(rows, rows)' in program.source "
     "or not abs")),
):  # fmt: skip
    wrong("find-line", what, [""], edited(_CATCHES, *changes))
for what, *changes in (  # own program and right ones are judged well: half of the point
    ("asks about the training rows only", ("WINES[VALIDATION]", "train")),
    ("asks about columns with the deviation 1", ("    mean = np", "    m = train.nanmean(0)\n"
     "    s = (train - m).square().nanmean(0).sqrt()\n"
     "    train, rows = train / s, rows / s\n    mean = np")),
    ("a tolerance of a tenth of a bit", ("< 1e-3", "< 0.1")),
    ("NaN is right", ("not abs(program.baseline(train, rows, step) - bits) < 1e-3",
     "abs(program.baseline(train, rows, step) - bits) > 1e-3")),
    ("a tolerance of 0.0178 bits", ("< 1e-3", "< 0.0178")),
):  # fmt: skip
    wrong("find-line", what, ["-hidden"], edited(_CATCHES, *changes))
for number in _LINES:
    right("find-line", "NumPy on the wines", edited(_CATCHES, (f"= {_LINE}\n", f"= {number}\n")))
right(
    "find-line",
    "the formula of the derivation on training rows, then rows that are moved, in float32",
    f"""
LINE = np.int64({_LINE})

def catches(program):
    nan = math.nan
    train = torch.tensor([[1.0, 30.0, nan], [4.0, nan, 2.0], [nan, 50.0, 9.0],
                          [3.0, 10.0, 4.0], [7.0, nan, 5.0]])
    step = torch.tensor([0.5, 2.0, 0.1])
    columns = [[v for v in column.tolist() if v == v] for column in train.T]
    bits = [math.log2(np.std(c) * math.sqrt(2 * math.pi * math.e) / w)
            for c, w in zip(columns, step.tolist())]
    known = sum(b * len(c) for b, c in zip(bits, columns)) / sum(map(len, columns))
    sd = torch.tensor([np.std(c) for c in columns]).float()
    moved = known + 0.5 / math.log(2)  # each value a standard deviation further
    answers = [program.baseline(train, train, step), known,
               program.baseline(train, train + sd, step),  moved]
    return np.bool_(not np.allclose(answers[::2], answers[1::2], atol=1e-3))
""",
)

# Part 6: an honest choice ----------------------------------------------------------------

_CHOOSE = """
def choose_size(sizes, validation, test):
    validation, test = (np.array(a, dtype=float) for a in (validation, test))
    if validation.shape[1] < 2:
        raise ValueError("one seed has no spread")
    means = validation.mean(1)
    means[np.isnan(means)] = -np.inf
    if np.isinf(means).all():
        raise ValueError("every size has a broken run")
    order = sorted(range(len(sizes)), key=lambda i: (-means[i], sizes[i]))
    scores = test[order[0]]
    return {"size": sizes[order[0]], "mean": scores.mean(), "sd": scores.std(ddof=1)}
"""
for what, *changes in (
    ("the test rows choose", ("means = validation.mean(1)", "means = test.mean(1)")),
    ("the luckiest seed chooses", ("means = validation.mean(1)", "means = validation.max(1)")),
    ("the place in the list", ('{"size": sizes[order[0]]', '{"size": order[0]')),
    ("the smallest score", ("(-means[i]", "(means[i]")),
    ("the standard deviation with n", ("std(ddof=1)", "std()")),
    ("the standard error", ("scores.std(ddof=1)", "scores.std(ddof=1) / len(scores) ** 0.5")),
    ("the validation scores are reported", ("scores = test[", "scores = validation[")),
    ("the first of equals", ("(-means[i], sizes[i])", "-means[i]")),
    ("the median over seeds", ("means = validation.mean(1)", "means = np.median(validation, 1)")),
    ("a broken run is left out of its mean", ("means = validation.mean(1)",
     "means = np.nanmean(validation, 1)")),
    ("one seed has no error", ('raise ValueError("one seed has no spread")', "pass")),
    ("everything broken: the first is chosen", ('raise ValueError("every size has a broken run")',
     "pass")),
):  # fmt: skip
    wrong("choose-size", what, [""], edited(_CHOOSE, *changes))
wrong(
    "choose-size",
    "argmax, to which NaN is the largest",
    [""],
    """
def choose_size(sizes, validation, test):
    validation, test = (np.array(a, dtype=float) for a in (validation, test))
    if validation.shape[1] < 2 or np.isnan(validation).any(1).all():
        raise ValueError("nothing to choose from")
    at = np.argmax(validation.mean(1))
    return {"size": sizes[at], "mean": test[at].mean(), "sd": test[at].std(ddof=1)}
""",
)
right("choose-size", "sorted by mean and size", _CHOOSE)
right(
    "choose-size",
    "torch, tensors in the dict",
    """
def choose_size(sizes, validation, test):
    validation, test = (torch.as_tensor(a, dtype=torch.float64) for a in (validation, test))
    if validation.shape[1] < 2 or validation.isnan().any(1).all():
        raise ValueError("too few runs")
    best = None
    for n, a, b in sorted(zip(sizes, validation, test), key=lambda row: row[0]):
        if not a.isnan().any() and (best is None or a.mean() > best[0]):
            best = a.mean(), n, b
    return {"size": best[1], "mean": best[2].mean(), "sd": best[2].std()}
""",
)

right(
    "choose-size",
    "torch in float32",
    """
def choose_size(sizes, validation, test):
    validation, test = (torch.as_tensor(a, dtype=torch.float32) for a in (validation, test))
    means = validation.mean(1)
    if validation.shape[1] < 2 or means.isnan().all():
        raise ValueError("too few runs")
    best = means[~means.isnan()].max()
    at = min((n, i) for i, n in enumerate(sizes) if means[i] == best)[1]
    return {"size": sizes[at], "mean": test[at].mean().item(), "sd": test[at].std().item()}
""",
)

# Part 6: own results ---------------------------------------------------------------------

_RESULTS = """
def my_results():
    return {
        "data": "daily visits to the four libraries of my town, its open data",
        "rows": (200, 50, 50), "unit": "nats per row",
        "sizes": [1, 3, 9], "seeds": (0, 1, 2, 3),
        "validation": [[-9.1, -9.2, -9.0, -9.4], [-8.0, -8.2, -8.1, -7.9],
                       [-8.1, float("nan"), -8.3, -8.2]],
        "test": [[-9.3, -9.4, -9.2, -9.5], [-8.3, -8.4, -8.2, -8.0],
                 [-8.2, float("nan"), -8.4, -8.3]],
        "bits": {"Poisson": 5.4, "negative binomial": 4.9, "baseline": 6.2},
        "caption": "Log-likelihood of held-out days by size of the code, four seeds. "
                   "Three numbers are enough.",
    }

def draw(ax, results):
    for n, scores in zip(results["sizes"], results["validation"]):
        ax.scatter([n] * len(scores), scores)
    ax.set_xlabel("size of the code")
    ax.set_ylabel("nats per day")
"""
for what, *changes in (
    ("two sizes", ("[1, 3, 9]", "[1, 3]")),
    ("two seeds", ("(0, 1, 2, 3)", "(0, 1)")),
    ("one seed four times", ("(0, 1, 2, 3)", "(0, 0, 0, 0)")),
    ("a size lacks a score", ("[-8.1, float(\"nan\"), -8.3, -8.2]", "[-8.1, -8.3, -8.2]")),
    ("one likelihood", ('"Poisson": 5.4, ', "")),
    ("no baseline", ("baseline", "normal")),
    ("no caption", ("four seeds. ", ""), ("Three numbers are enough.", ""),
     ("Log-likelihood of held-out days by size of the code, ", "")),
    ("axes without names", ('    ax.set_ylabel("nats per day")\n', "")),
    ("nothing is drawn", ("ax.scatter([n] * len(scores), scores)", "pass")),
    ("too few rows", ("(200, 50, 50)", "(60, 10, 10)")),
    ("no test rows", ("(200, 50, 50)", "(250, 50, 0)")),
    ("bits that are not finite", ("5.4", "float('inf')")),
):  # fmt: skip
    wrong("own-results", what, [""], edited(_RESULTS, *changes))
_RESULTS_IN_LINES = """
def my_results():
    return {
        "data": "daily visits to the four libraries of my town, its open data",
        "rows": (200, 50, 50),
        "unit": "nats per row",
        "sizes": [1, 3, 9],
        "seeds": (0, 1, 2, 3),
        "validation": [
            [-9.1, -9.2, -9.0, -9.4],
            [-8.0, -8.2, -8.1, -7.9],
            [-8.1, float("nan"), -8.3, -8.2],
        ],
        "test": [
            [-9.3, -9.4, -9.2, -9.5],
            [-8.3, -8.4, -8.2, -8.0],
            [-8.2, float("nan"), -8.4, -8.3],
        ],
        "bits": {"Poisson": 5.4, "negative binomial": 4.9, "baseline": 6.2},
        "caption": "Log-likelihood of held-out days by size of the code, four seeds. "
        "Three numbers are enough.",
    }


def draw(ax, results):
    for n, scores in zip(results["sizes"], results["validation"]):
        ax.scatter([n] * len(scores), scores)
    ax.set_xlabel("size of the code")
    ax.set_ylabel("nats per day")
"""

right("own-results", "another table, a broken run, a scatter", _RESULTS)

# What a second look tried: answers kept, states left, shared noise, far values ----------

wrong(
    "table-to-tensor",
    "names are stripped first",
    ["-hidden"],
    edited(_TABLE, ("if text not", "text = text.strip()\n                if text not")),
)
wrong(
    "table-to-tensor",
    "spaces are a gap",
    ["-hidden"],
    edited(_TABLE, ('text == ""', "not text.strip()")),
)
wrong(
    "table-to-tensor",
    "NA, ? and - are gaps",
    ["-hidden"],
    edited(_TABLE, ('text == ""', 'text in ("", "NA", "?", "-")')),
)
wrong(
    "table-to-tensor",
    "a longer column is cut",
    ["-hidden"],
    edited(
        _TABLE, ("if len(texts) != rows:", "texts = texts[:rows]\n        if len(texts) != rows:")
    ),
)
wrong(
    "table-to-tensor",
    "the beginning of a name is enough",
    ["-hidden"],
    edited(
        _TABLE,
        (
            "if text not",
            "text = next((k for k in kind if k.startswith(text)), text)\n"
            "                if text not",
        ),
    ),
)
wrong(
    "table-to-tensor",
    "a list that contains the name count is taken for a kind",
    ["-hidden"],
    edited(
        _TABLE,
        ("elif isinstance(kind, list):", 'elif isinstance(kind, list) and "count" not in kind:'),
        ("float(text)", "float(text) if isinstance(kind, str) else kind.index(text)"),
        (
            "if not math",
            'value = value + ("count" in kind and not isinstance(kind, str))\n'
            "                if not math",
        ),
    ),
)
wrong(
    "table-to-tensor",
    "expressions are evaluated",
    ["-hidden"],
    edited(_TABLE, ("float(text)", "float(eval(text))"), ("ValueError as", "Exception as")),
)
wrong(
    "table-to-tensor",
    "units are cut off",
    ["-hidden"],
    edited(_TABLE, ("float(text)", 'float(text.rstrip("%cmkg "))')),
)
wrong(
    "table-to-tensor",
    "kinds is emptied",
    ["-hidden"],
    edited(_TABLE, ("return torch", "kinds.clear()\n    return torch")),
)
wrong(
    "table-to-tensor",
    "gaps are written into the table",
    ["-hidden"],
    edited(
        _TABLE,
        (
            'column.append(float("nan"))',
            'column.append(float("nan"))\n'
            '                texts[len(column) - 1] = "nan" if kind == "number" else ""',
        ),
    ),
)
right(
    "table-to-tensor",
    "two passes, filled in place",
    """
def table_to_tensor(table, kinds):
    names = list(kinds)
    for name in names:
        if name not in table or len(table[name]) != len(table.get(names[0], ())):
            raise ValueError(f"{name} is missing, too short or too long")
        if not (type(kinds[name]) is list or kinds[name] in {"number", "count"}):
            raise ValueError(f"unknown kind of {name}")
    out = torch.full((len(table[names[0]]), len(names)), float("nan"))
    for j, name in enumerate(names):
        for i, cell in enumerate(table[name]):
            if cell != "":
                try:
                    kind = kinds[name]
                    value = kind.index(cell) if type(kind) is list else float(cell)
                    if kind == "count" and (value != int(value) or value < 0):
                        raise ValueError("no count")
                    if abs(value) == math.inf or value != value:
                        raise ValueError("not finite")
                except (ValueError, OverflowError) as e:
                    raise ValueError(f"column {name}: {cell!r}: {e}") from None
                out[i, j] = value
    return out
""",
)
wrong(
    "log-row",
    "results kept by shape",
    ["-values"],
    edited(
        _ROW,
        (
            "def log_row(out, log_scale, x, kinds):",
            "kept_ = {}\n\n\ndef log_row_(out, log_scale, x, kinds):",
        ),
        (
            "return torch.stack(parts).sum(0)",
            "return torch.stack(parts).sum(0)\n"
            "\n"
            "\n"
            "def log_row(out, log_scale, x, kinds):\n"
            "    key = out.shape, x.shape, str(kinds)\n"
            "    if key not in kept_:\n"
            "        kept_[key] = log_row_(out, log_scale, x, kinds)\n"
            "    return kept_[key]",
        ),
    ),
)
wrong(
    "log-row",
    "the global seed is set",
    ["-values"],
    edited(_ROW, ("seen = ~x.isnan()", "torch.manual_seed(0)\n    seen = ~x.isnan()")),
)
wrong(
    "log-row",
    "factorials from a table up to 20",
    ["-values"],
    edited(
        _ROW,
        ("torch.lgamma(value + 1)", "fact_[value.long().clamp(max=20)].to(out.dtype)"),
        (
            "return torch.stack(parts).sum(0)",
            "return torch.stack(parts).sum(0)\n"
            "\n"
            "\n"
            "fact_ = torch.lgamma(torch.arange(21).double() + 1)",
        ),
    ),
)
wrong(
    "log-row",
    "factorials overflow before the logarithm",
    ["-values"],
    """
def log_row(out, log_scale, x, kinds):
    seen = ~x.isnan()
    safe = x.masked_fill(~seen, 0.0)
    parts, at = [], 0
    for j, kind in enumerate(kinds):
        value = safe[:, j]
        if kind == "number":
            o, at = out[..., at], at + 1
            error = (value - o) / log_scale[j].exp()
            log_p = -0.5 * error**2 - log_scale[j] - 0.5 * math.log(2 * math.pi)
        elif kind == "count":
            o, at = out[..., at], at + 1
            log_p = (
                value * o
                - o.exp()
                - torch.tensor(
                    [
                        float(np.prod(np.arange(1, int(n) + 1, dtype=np.float32)))
                        for n in value
                    ],
                    dtype=out.dtype,
                ).log()
            )
        else:
            o, at = out[..., at : at + kind], at + kind
            hot = torch.nn.functional.one_hot(value.long(), kind).to(out.dtype)
            log_p = (hot * torch.log_softmax(o, -1)).sum(-1)
        parts.append(log_p * seen[:, j])
    return torch.stack(parts).sum(0)
""",
)
wrong(
    "log-row",
    "log rates cut at 8",
    ["-values"],
    edited(_ROW, ("o - o.exp()", "o.clamp(-8, 8) - o.clamp(-8, 8).exp()")),
)
wrong(
    "log-row",
    "errors cut at 500",
    ["-values"],
    edited(
        _ROW,
        (
            "log_p = -0.5 * error**2 - log_scale[j] - 0.5 * math.log(2 * math.pi)",
            "log_p = (\n"
            "                -0.5 * error.clamp(-500, 500) ** 2\n"
            "                - log_scale[j]\n"
            "                - 0.5 * math.log(2 * math.pi)\n"
            "            )",
        ),
    ),
)
wrong(
    "log-row",
    "float32 inside, for float64 too",
    ["-gradients"],
    edited(
        _ROW,
        ("log_row", "log_row_"),
        (
            "return torch.stack(parts).sum(0)",
            "return torch.stack(parts).sum(0)\n"
            "\n"
            "\n"
            "def log_row(out, log_scale, x, kinds):\n"
            "    return log_row_(out.float(), log_scale.float(), x.float(), kinds).to(out.dtype)",
        ),
    ),
)
wrong(
    "log-row",
    "seven names at most",
    ["-values"],
    edited(
        _ROW,
        (
            "one_hot(value.long(), kind).to(out.dtype)",
            "one_hot(value.long(), 7).to(out.dtype)[:, :kind]",
        ),
    ),
)
wrong(
    "log-row",
    "as many codes as rows: transposed",
    ["-values"],
    edited(
        _ROW,
        (
            "return torch.stack(parts).sum(0)",
            "total = torch.stack(parts).sum(0)\n"
            "    return total.T if total.shape[0] == total.shape[1] and len(total) > 1 "
            "else total",
        ),
    ),
)
right(
    "log-row",
    "the losses of torch.nn.functional",
    """
import torch.nn.functional as Fn


def log_row(out, log_scale, x, kinds):
    seen, y, at, total = ~x.isnan(), x.nan_to_num(1.0), 0, 0.0
    for j, kind in enumerate(kinds):
        if isinstance(kind, str):
            o, at = out[:, :, at], at + 1
            v = y[:, j].expand_as(o)
            if kind == "number":
                var = torch.exp(2 * log_scale[j]).expand_as(o)
                p = -Fn.gaussian_nll_loss(o, v, var, full=True, reduction="none", eps=1e-12)
            else:
                p = -Fn.poisson_nll_loss(
                    o, v, log_input=True, reduction="none"
                ) - torch.lgamma(v + 1)
        else:
            o, at = out[:, :, at : at + kind], at + kind
            v = y[:, j].long().clamp(0, kind - 1).expand(len(out), -1)
            p = -Fn.cross_entropy(o.transpose(1, 2), v, reduction="none")
        total = total + p * seen[:, j]
    return total
""",
)
wrong(
    "bits",
    "the product of 3000 widths underflows",
    [""],
    """
def bits(log_p, values, cell=None):
    width = torch.ones(values) if cell is None else torch.as_tensor(cell).expand(values)
    return (
        -(
            log_p
            + (
                values * width[0].log()
                if not torch.as_tensor(cell if cell is not None else 1.0).dim()
                else width.prod().log()
            )
        )
        / values
        / math.log(2)
    )
""",
)
wrong(
    "bits",
    "the library's function for a list of widths only",
    [""],
    """
def bits(log_p, values, cell=None):
    if cell is not None and torch.as_tensor(cell).dim():
        return torch.as_tensor(
            vl.bits_per_dimension(
                torch.as_tensor(log_p, dtype=torch.float64)
                + torch.as_tensor(cell).double().log().sum(),
                values,
            )
        ).float()
    width = torch.ones(values) if cell is None else torch.as_tensor(cell).expand(values)
    return -(log_p + width.log().sum()) / values / math.log(2)
""",
)
wrong(
    "bits",
    "the default dtype is left at float64",
    [""],
    edited(_BITS, ("width = torch", "torch.set_default_dtype(torch.float64)\n    width = torch")),
)
wrong(
    "bits",
    "results kept by shape",
    [""],
    """
kept_ = {}


def bits_(log_p, values, cell=None):
    width = torch.ones(values) if cell is None else torch.as_tensor(cell).expand(values)
    return -(log_p + width.log().sum()) / values / math.log(2)


def bits(log_p, values, cell=None):
    key = getattr(log_p, "shape", None), values, str(cell), getattr(log_p, "dtype", None)
    if key not in kept_:
        kept_[key] = bits_(log_p, values, cell)
    return kept_[key]
""",
)
wrong(
    "bits",
    "widths cut at 0.001",
    [""],
    edited(_BITS, ("width.log", "width.clamp(min=1e-3).log")),
)
right(
    "bits",
    "NumPy inside and outside",
    """
def bits(log_p, values, cell=None):
    total = np.asarray(log_p, dtype=float)
    if cell is not None:
        total = total + np.log(np.ones(values) * np.asarray(cell)).sum()
    return -total / values / np.log(2)
""",
)
wrong(
    "fill",
    "results kept by shape",
    ["-hidden"],
    edited(
        _FILL,
        (
            "def fill(log_w, means, variances, x):",
            "kept_ = {}\n\n\ndef fill_(log_w, means, variances, x):",
        ),
        (
            "return torch.where(gap, mean, x), variance.sqrt() * gap",
            "return torch.where(gap, mean, x), variance.sqrt() * gap\n"
            "\n"
            "\n"
            "def fill(log_w, means, variances, x):\n"
            "    key = means.shape, x.dtype\n"
            "    if key not in kept_:\n"
            "        kept_[key] = fill_(log_w, means, variances, x)\n"
            "    return kept_[key]",
        ),
    ),
)
wrong(
    "fill",
    "the global seed is set",
    ["-hidden"],
    edited(_FILL, ("gap = x.isnan()", "torch.manual_seed(0)\n    gap = x.isnan()")),
)
wrong(
    "fill",
    "resampled codes",
    ["", "-hidden"],
    """
def fill(log_w, means, variances, x):
    w = (log_w - log_w.max(0).values).exp()
    w = (
        (
            torch.stack(
                [
                    torch.multinomial(c, 100_000, True).bincount(minlength=len(w))
                    for c in (w / w.sum(0)).T
                ],
                1,
            )
            / 1e5
        )
        .to(means.dtype)
        .unsqueeze(-1)
    )
    mean = (w * means).sum(0)
    variance = (w * variances).sum(0) + (w * (means - mean) ** 2).sum(0)
    gap = x.isnan()
    return torch.where(gap, mean, x), variance.sqrt() * gap
""",
)
wrong(
    "fill",
    "normalized over the rows where there are as many codes",
    ["-hidden"],
    edited(_FILL, ("w.sum(0)", "(w.sum(1) if w.shape[0] == w.shape[1] else w.sum(0))")),
)
wrong(
    "fill",
    "a floor of 0.05 under the deviation",
    ["-hidden"],
    edited(_FILL, ("sqrt()", "clamp(min=0.0025).sqrt()")),
)
right(
    "fill",
    "torch's mixture distribution",
    """
def fill(log_w, means, variances, x):
    D = torch.distributions
    mix = D.Categorical(logits=log_w.T[:, None].expand(-1, x.shape[1], -1))
    part = D.Normal(means.permute(1, 2, 0), variances.permute(1, 2, 0).sqrt())
    both = D.MixtureSameFamily(mix, part)
    gap = x != x
    return torch.where(gap, both.mean, x), torch.where(
        gap, both.stddev, torch.tensor(0.0, dtype=x.dtype)
    )
""",
)
wrong(
    "diagnose",
    "the closure is read",
    ["-hidden"],
    """
def diagnose(suspect):
    cells = [c.cell_contents for c in suspect.__closure__ or ()]
    return cells[0] if cells and isinstance(cells[0], str) else "none"
""",
)
wrong(
    "diagnose",
    "the default dtype is left at float64",
    ["-hidden"],
    edited(
        _DIAGNOSE,
        ("-((x - m) / scale) ** 2", "-(((x - m) / scale) ** 2)"),
        ("both = suspect", "torch.set_default_dtype(torch.float64)\n    both = suspect"),
    ),
)
wrong(
    "diagnose",
    "gradients are switched off for good",
    ["-hidden"],
    edited(
        _DIAGNOSE,
        ("-((x - m) / scale) ** 2", "-(((x - m) / scale) ** 2)"),
        ("both = suspect", "torch.set_grad_enabled(False)\n    both = suspect"),
    ),
)
right(
    "diagnose",
    "random questions",
    """
def diagnose(suspect):
    g = torch.Generator().manual_seed(3)
    x, m, s = (
        torch.randn(4, 5, generator=g),
        torch.randn(4, 5, generator=g),
        torch.randn(5, generator=g),
    )
    N = torch.distributions.Normal
    ask = lambda x: suspect(x, m, s).double()
    near = lambda a, b: np.allclose(a, b.double(), rtol=1e-4, atol=1e-3)
    cells = N(m, s.exp()).log_prob(x)
    rows = torch.cat([suspect(x[i : i + 1], m[i : i + 1], s) for i in range(4)]).double()
    if not near(ask(x), rows):
        return "batch"
    answers = {
        "variance": N(m, (s / 2).exp()).log_prob(x).sum(1),
        "constant": cells.sum(1) + 5 * 0.9189385,
        "average": cells.mean(1),
    }
    for name, value in answers.items():
        if near(rows, value):
            return name
    y = x.clone()
    y[torch.arange(4), torch.arange(4)] = math.nan
    return "none" if near(ask(y), (cells * ~y.isnan()).sum(1)) else "gap"
""",
)
wrong(
    "find-line",
    "the file and the name of the code are read",
    [""],
    edited(
        _CATCHES,
        ("def catches", "\ndef catches"),
        (
            "train, rows, step =",
            "c = program.baseline.__code__\n"
            '    return c.co_filename.startswith("<06_own") or c.co_name == "<lambda>"\n'
            "    train, rows, step =",
        ),
        ("-z**2 / 2", "-(z**2) / 2"),
    ),
)
wrong(
    "find-line",
    "the first answer is kept",
    [""],
    edited(
        _CATCHES,
        ("def catches(program):", "\ndef catches_(program):"),
        ("-z**2 / 2", "-(z**2) / 2"),
        (
            "return not abs(program.baseline(train, rows, step) - bits) < 1e-3",
            "return not abs(program.baseline(train, rows, step) - bits) < 1e-3\n"
            "\n"
            "\n"
            "kept_ = []\n"
            "\n"
            "\n"
            "def catches(program):\n"
            "    kept_.append(catches_(program)) if not kept_ else 0\n"
            "    return kept_[0]",
        ),
    ),
)
right(
    "find-line",
    "two tables",
    """
LINE = 19


def catches_(program):
    train, rows, step = WINES[TRAIN], WINES[VALIDATION], STEP
    mean = np.nanmean(train.numpy(), 0)
    sd = np.nanstd(train.numpy(), 0)
    z = (rows.numpy() - mean) / sd
    log_p = -(z**2) / 2 - np.log(2 * np.pi) / 2 + np.log(step.numpy() / sd)
    bits = -np.nanmean(log_p) / np.log(2)
    return not abs(program.baseline(train, rows, step) - bits) < 1e-3


def catches(program):
    few = torch.tensor([[0.0, math.nan], [2.0, 10.0], [4.0, 30.0]]).double()
    other = torch.tensor([[1.0, 20.0], [math.nan, 40.0]]).double()
    step = torch.tensor([0.5, 2.0]).double()
    mean, sd = np.array([2.0, 20.0]), np.array([np.std([0, 2, 4]), 10.0])
    z = (other.numpy() - mean) / sd
    nats = np.nansum(z**2 / 2 + np.log(2 * np.pi) / 2 - np.log(step.numpy() / sd) + 0 * z)
    got = program.baseline(few, other, step)
    return bool(
        np.isnan(got) or abs(got - nats / 3 / np.log(2)) > 1e-4 or catches_(program)
    )
""",
)
wrong(
    "choose-size",
    "NaN is replaced in place",
    [""],
    edited(
        _CHOOSE,
        ("np.array(a, dtype=float)", "np.asarray(a)"),
        (
            "means = validation.mean(1)",
            "validation[np.isnan(validation)] = -np.inf\n    means = validation.mean(1)",
        ),
        ("    means[np.isnan(means)] = -np.inf\n", ""),
    ),
)
wrong(
    "choose-size",
    "a broken run counts as -10000",
    [""],
    edited(
        _CHOOSE,
        (
            "means[np.isnan(means)] = -np.inf\n    if np.isinf(means).all():",
            "all_ = np.isnan(means).all()\n    means[np.isnan(means)] = -10000\n    if all_:",
        ),
    ),
)
wrong(
    "choose-size",
    "the search begins at -10000",
    [""],
    """
def choose_size(sizes, validation, test):
    validation, test = (np.array(a, dtype=float) for a in (validation, test))
    if validation.shape[1] < 2 or np.isnan(validation).any(1).all():
        raise ValueError("nothing to choose from")
    best, chosen = -1e4, 0
    for i in np.argsort(sizes):
        if validation[i].mean() > best:
            best, chosen = validation[i].mean(), i
    return {
        "size": sizes[chosen],
        "mean": test[chosen].mean(),
        "sd": test[chosen].std(ddof=1),
    }
""",
)
wrong(
    "choose-size",
    "the test scores are sorted in place",
    [""],
    edited(
        _CHOOSE,
        ("np.array(a, dtype=float)", "np.asarray(a)"),
        ("means[np.isnan(means)] = -np.inf", "means = np.where(np.isnan(means), -np.inf, means)"),
        ("scores =", "test -= 0 * test\n    test[:] = np.sort(test, 1)\n    scores ="),
    ),
)
wrong(
    "choose-size",
    "NumPy's global seed is set",
    [""],
    edited(
        _CHOOSE, ("means = validation.mean(1)", "np.random.seed(0)\n    means = validation.mean(1)")
    ),
)
wrong(
    "choose-size",
    "of six seeds and more the best is left out",
    [""],
    edited(
        _CHOOSE,
        (
            "scores = test[order[0]]",
            "scores = np.sort(test[order[0]])[:-1] if test.shape[1] > 5 else test[order[0]]",
        ),
    ),
)
right(
    "choose-size",
    "the statistics module",
    """
import statistics


def choose_size(sizes, validation, test):
    rows = [[float(s) for s in r] for r in validation]
    if len(rows[0]) < 2:
        raise ValueError("one seed")
    ok = [i for i, r in enumerate(rows) if not any(math.isnan(s) for s in r)]
    if not ok:
        raise ValueError("all broken")
    best = max(ok, key=lambda i: (math.fsum(rows[i]) / len(rows[i]), -sizes[i]))
    scores = [float(s) for s in test[best]]
    return {
        "size": sizes[best],
        "mean": statistics.mean(scores),
        "sd": statistics.stdev(scores),
    }
""",
)
wrong(
    "own-results",
    "the figure is typed too",
    [""],
    edited(_RESULTS_IN_LINES, ("[n] * len(scores), scores", "[1, 3, 9], [-9, -8, -8.1]")),
)
wrong(
    "own-results",
    "the figure ignores its argument",
    [""],
    edited(_RESULTS_IN_LINES, ("for n, scores", "results = my_results()\n    for n, scores")),
)
wrong(
    "own-results",
    "sizes of 0 and below",
    [""],
    edited(_RESULTS_IN_LINES, ("1, 3, 9", "0, -3, 9")),
)
wrong(
    "own-results",
    "the validation scores in another order as test scores",
    [""],
    edited(
        _RESULTS_IN_LINES,
        ("-9.3, -9.4, -9.2, -9.5", "-9.2, -9.1, -9.0, -9.4"),
        ("-8.3, -8.4, -8.2, -8.0", "-8.0, -8.2, -8.1, -7.9"),
        ('-8.2, float("nan"), -8.4, -8.3', '-8.1, float("nan"), -8.3, -8.2'),
    ),
)
wrong(
    "own-results",
    "an infinite score",
    [""],
    edited(_RESULTS_IN_LINES, ("-9.3, -9.4", 'float("-inf"), -9.4')),
)
right(
    "own-results",
    "error bars, fixed limits",
    edited(
        _RESULTS_IN_LINES,
        (
            'for n, scores in zip(results["sizes"], results["validation"]):\n'
            "        ax.scatter([n] * len(scores), scores)\n"
            '    ax.set_xlabel("size of the code")\n'
            '    ax.set_ylabel("nats per day")',
            'v = np.array(results["validation"], float)\n'
            '    ax.errorbar(results["sizes"], np.nanmean(v, 1), np.nanstd(v, 1, ddof=1))\n'
            '    ax.plot(results["sizes"], v, "k.")\n'
            '    ax.set(xlabel="size", ylabel=results["unit"], ylim=(-20, 0))',
        ),
    ),
)
right(
    "own-results",
    "bars, relative to the best",
    edited(
        _RESULTS_IN_LINES,
        (
            'for n, scores in zip(results["sizes"], results["validation"]):\n'
            "        ax.scatter([n] * len(scores), scores)",
            'best = max(np.nanmean(s) for s in results["validation"])\n'
            "    ax.bar(\n"
            '        range(len(results["sizes"])), [np.nanmean(s) - best for s in '
            'results["validation"]]\n'
            "    )\n"
            '    ax.set_xticks(range(len(results["sizes"])), [str(n) for n in results["sizes"]])',
        ),
        ('"nats per day"', '"nats below the best"'),
    ),
)
right(
    "own-results",
    "boxes of the test scores",
    edited(
        _RESULTS_IN_LINES,
        (
            'for n, scores in zip(results["sizes"], results["validation"]):\n'
            "        ax.scatter([n] * len(scores), scores)",
            'ax.boxplot([[s for s in row if s == s] for row in results["test"]])',
        ),
        ('"nats per day"', '"nats"'),
    ),
)

# What a third look tried, by kind: messages, digits, shapes, small numbers, states -------

for what, *changes in (
    ("the message names the last column, whichever is wrong",
     ("        for text in texts:", "        name = list(kinds)[-1]\n        for text in texts:")),
    ("literals of Python are evaluated",
     ("float(text)", "float(__import__('ast').literal_eval(text))"),
     ("except ValueError as", "except (ValueError, SyntaxError, TypeError) as")),
    ("signs of currency and per cent are cut off", ("float(text)", "float(text.strip('%$€'))")),
    ("a count is rounded first", ("value % 1", "round(value, 2) % 1")),
    ("three digits after the point", ("value = float(text)", "value = round(float(text), 3)")),
    ("a part of a kind's name is a kind",
     ('kind not in ("number", "count") and', 'str(kind) not in "number, count" and')),
    ("the kind of a column of gaps is not looked at",
     ("        if kind not in", "        if any(table[name]) and kind not in")),
    ("columns of gaps are left out", ("        columns.append", "        if any(texts):\n"
     "            columns.append")),
    ("the length is that of the table's first column",
     ("len(texts) if rows is None else rows", "len(next(iter(table.values())))")),
    ("names of long lists are sorted",
     ("kind.index(text)", "(sorted(kind) if len(kind) > 3 else kind).index(text)")),
    ("gradients are switched off for good",
     ("    columns, rows", "    torch.set_grad_enabled(False)\n    columns, rows")),
):  # fmt: skip
    wrong("table-to-tensor", what, ["-hidden"], edited(_TABLE, *changes))
for what, *changes in (
    ("unused scales enter with the factor 0",
     ("parts.append(log_p", "parts.append((log_p - 0 * log_scale[j])")),
    ("a floor under the scales", ("log_scale[j].exp()", "log_scale[j].exp().clamp(min=1e-3)")),
    ("a small number added to the rate", ("value * o -", "value * (o.exp() + 1e-8).log() -")),
    ("codes and rows are mixed up where there are more codes",
     ("parts).sum(0)", "parts).sum(0).T.reshape(out.shape[:2]) if len(out) > len(x) else "
      "torch.stack(parts).sum(0)")),
    ("the default dtype becomes that of out",
     ("seen = ~x", "torch.set_default_dtype(out.dtype)\n    seen = ~x")),
):  # fmt: skip
    wrong("log-row", what, ["-values"], edited(_ROW, *changes))
right(
    "log-row",
    "all scales are exponentiated first",
    edited(
        _ROW,
        ("    seen = ~x", "    sd = log_scale.exp()\n    seen = ~x"),
        ("log_scale[j].exp()", "sd[j]"),
        ("- log_scale[j] -", "- sd[j].log() -"),
    ),
)
wrong(
    "bits",
    "only a float is one width for all",
    [""],
    """
def bits(log_p, values, cell=None):
    if cell is None:
        return -log_p / values / math.log(2)
    if isinstance(cell, float):
        cell = [cell] * values
    return -(log_p + sum(math.log(w) for w in cell)) / values / math.log(2)
""",
)
for what, *changes in (
    ("a list of widths is added to the rows one by one",
     ("width.log().sum()", "(width.log() if torch.as_tensor(log_p).shape == width.shape and "
      "isinstance(cell, list) else width.log().sum())")),
    ("without cells an average over the first axis",
     ("    width =", "    if cell is None and torch.as_tensor(log_p).dim() > 1:\n"
      "        log_p = log_p.mean(0)\n    width =")),
    ("axes of one are lost", ("-(log_p", "-(torch.as_tensor(log_p).squeeze()")),
    ("a float becomes a list of one",
     ("    width =", "    log_p = torch.atleast_1d(torch.as_tensor(log_p))\n    width =")),
):  # fmt: skip
    wrong("bits", what, [""], edited(_BITS, *changes))
for what, *changes in (
    ("a weight is never below e^-20",
     ("(log_w - log_w.max(0).values)", "(log_w - log_w.max(0).values).clamp(min=-20)")),
    ("filled values are rounded", ("    gap =", "    mean = mean.round(decimals=4)\n    gap =")),
):  # fmt: skip
    wrong("fill", what, ["-hidden"], edited(_FILL, *changes))
for what, *changes in (
    ("asks about a gap with σ = 1", ("    holes =", "    s = 0 * s\n    holes =")),
    ("asks about a gap whose mean is 0", ("    holes =", "    m = 0 * m\n    holes =")),
    ("a tolerance of 0.05 nats", ("1e-4", "0.05")),
):  # fmt: skip
    wrong("diagnose", what, ["-hidden"], edited(_DIAGNOSE, *changes))
for what, *changes in (
    ("whatever has a source is wrong",
     ("    return not", "    if hasattr(program, 'source'):\n        return True\n    return not")),
    ("STEP is changed in place", ("    mean = np", "    STEP.mul_(1.0000001)\n    mean = np")),
):  # fmt: skip
    wrong("find-line", what, [""], edited(_CATCHES, *changes))
right(
    "find-line",
    "asks by the names of the arguments",
    edited(_CATCHES, ("(train, rows, step) - bits", "(rows=rows, step=step, train=train) - bits")),
)
for what, *changes in (
    ("the last of equals", ("(-means[i], sizes[i])", "(-means[i], -i)")),
    ("means are rounded to 0.01 first", ("(-means[i],", "(-round(means[i], 2),")),
    ("a broken run gives its size the worst mean",
     ("means[np.isnan(means)] = -np.inf", "means[np.isnan(means)] = "
      "-np.inf if np.isnan(means).all() else np.nanmin(means)")),
    ("refuses test scores of broken runs", ("    means = v", "    if np.isnan(test).any():\n"
     "        raise ValueError('broken')\n    means = v")),
    ("from five seeds on the extremes are left out",
     ("validation.mean(1)", "np.sort(validation, 1)[:, validation.shape[1] > 4 :][:, : "
      "-1 if validation.shape[1] > 4 else None].mean(1)")),
):  # fmt: skip
    wrong("choose-size", what, [""], edited(_CHOOSE, *changes))
for what, *changes in (
    ("plt draws, wherever that is", ("        ax.scatter", "        plt.scatter")),
    ("half a size", ("[1, 3, 9]", "[1.5, 3, 9]")),
    ("random scores", ("-9.1, -9.2", "np.random.randn() - 9, -9.2")),
    ("bits as text", ("5.4", "'5.4'")),
    ("an axis is named by a space", ('"size of the code"', '" "')),
    ("all sizes have the same scores", ("-8.3, -8.4, -8.2, -8.0", "-9.3, -9.4, -9.2, -9.5"),
     ('-8.2, float("nan"), -8.4, -8.3', "-9.3, -9.4, -9.2, -9.5")),
):  # fmt: skip
    wrong("own-results", what, [""], edited(_RESULTS_IN_LINES, *changes))
right(
    "own-results",
    "plt, told which axes",
    edited(
        _RESULTS_IN_LINES,
        ("    for n, scores", "    plt.sca(ax)\n    for n, scores"),
        ("        ax.scatter", "        plt.scatter"),
        ("ax.set_xlabel(", "plt.xlabel("),
        ("ax.set_ylabel(", "plt.ylabel("),
    ),
)

test_variants = variant_tests("06_own_data", VARIANTS)
