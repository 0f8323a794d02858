"""The values that a claim compared, read from the source of the call, such as "6.21 > 5"."""

import ast
import builtins
import linecache
import math
from types import CodeType

import numpy as np

SIGNS = {ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠"}
# What may be evaluated once more: it changes nothing, draws nothing and is quick.
BUILTINS = {"abs", "min", "max", "sum", "len", "float", "int", "round", "range", "zip", "sorted"}
METHODS = {
    "abs", "min", "max", "mean", "std", "sum", "item", "diff", "sqrt", "log", "exp", "square",
    "values", "keys", "items", "tolist", "float", "double", "amin", "amax",
}  # fmt: skip
SYNTAX = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Constant, ast.Tuple, ast.List,
    ast.BinOp, ast.UnaryOp, ast.Call, ast.keyword, ast.Starred, ast.GeneratorExp, ast.ListComp,
    ast.comprehension, ast.expr_context, ast.operator, ast.unaryop, ast.Compare, ast.cmpop,
    ast.BoolOp, ast.boolop,
)  # fmt: skip


def compared(frame):
    """Return what the second argument of the call in a frame compared, or "" where unreadable."""
    try:
        call = _call(frame.f_code, frame.f_lasti)
        names = {**vars(builtins), **frame.f_globals, **frame.f_locals}
        return _comparison(call.args[1], names)
    except Exception:  # a claim is judged by its value alone; this is what is shown beside it
        return ""


def _call(code: CodeType, instruction):
    """Return the node of the call that a frame is at."""
    line, end, column, end_column = list(code.co_positions())[instruction // 2]
    tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (node.lineno, node.end_lineno) == (line, end)
        and (node.col_offset, node.end_col_offset) == (column, end_column)
    ]
    return call


def _comparison(node, names):
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        parts = [_comparison(value, names) for value in node.values]
        return ", ".join(part for part in parts if part)
    if isinstance(node, ast.Compare):
        signs = [SIGNS[type(op)] for op in node.ops]
        values = [_value(side, names) for side in (node.left, *node.comparators)]
        return _show(values, signs)
    if not isinstance(node, ast.Call):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    if name == "allclose":
        first, second = (np.asarray(_value(side, names), float) for side in node.args[:2])
        return f"largest difference {_number(abs(first - second).max(), 2)}"
    if name != "all":
        return ""
    inner = node.args[0] if node.args else node.func.value
    each = inner.elt if isinstance(inner, ast.GeneratorExp) else inner
    if not (isinstance(each, ast.Compare) and len(each.ops) == 1):
        return ""
    sign = SIGNS[type(each.ops[0])]
    pair = ast.Tuple([each.left, each.comparators[0]], ast.Load())
    if isinstance(inner, ast.GeneratorExp):
        pairs = _value(ast.ListComp(pair, inner.generators), names)
    else:
        both = (np.asarray(side, float) for side in _value(pair, names))
        pairs = list(zip(*map(np.ravel, np.broadcast_arrays(*both)), strict=True))
    if sign not in "<≤>≥" or not pairs:
        return ""
    side = 1 if sign in "<≤" else -1  # the least margin; where the claim fails, the worst pair
    closest = min(pairs, key=lambda pair: side * (float(pair[1]) - float(pair[0])))
    return f"closest of {len(pairs)}: {_show(closest, [sign])}"


def _value(node, names):
    """Evaluate an expression again. ValueError: it might change something or take long."""
    for part in ast.walk(node):
        known = isinstance(part, SYNTAX)
        if isinstance(part, ast.Call):
            if isinstance(part.func, ast.Name):
                known = part.func.id in BUILTINS and names[part.func.id] is getattr(
                    builtins, part.func.id
                )
            else:
                known = part.func.attr in METHODS
        if not known:
            raise ValueError(ast.unparse(part))
    expression = ast.fix_missing_locations(ast.Expression(node))
    return eval(compile(expression, "<claim>", "eval"), names)


def _show(values, signs):
    """Write numbers with the signs between them, with enough digits to tell them apart."""
    values = [value.item() if hasattr(value, "item") else value for value in values]
    for digits in range(3, 8):
        shown = [_number(value, digits) for value in values]
        if len(set(shown)) == len(set(values)):
            break
    return shown[0] + "".join(
        f" {sign} {text}" for sign, text in zip(signs, shown[1:], strict=True)
    )


def _number(value, digits):
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ValueError(value)
    if not np.isfinite(value) or value == 0:
        return f"{value:g}"
    if float(value).is_integer():
        return f"{int(value):,}"
    size = math.floor(math.log10(abs(value)))
    return f"{value:,.{max(digits - 1 - size, 0)}f}" if size >= -4 else f"{value:.{digits}g}"
