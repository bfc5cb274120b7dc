r"""The formulas of the rules as mathematics: from the plain text of a docstring to TeX.

The modules of `minigrad.optim` write their formulas as a reader types them::

    m_hat  = m / (1 - beta1**t)
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

`tex` makes ``\hat m = \frac{m}{1 - \beta_1^t}`` of the first line. Names side by side are multiplied, what stands
before ``/`` since the last sign or fraction is its numerator, and what cannot be read as a formula stays text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from itertools import pairwise

SYMBOLS = {
    **{name: rf"\{name}" for name in ("theta", "mu", "alpha", "rho", "delta", "gamma", "phi", "psi")},
    "eps": r"\epsilon",
    "beta1": r"\beta_1",
    "beta2": r"\beta_2",
    "m_hat": r"\hat m",
    "v_hat": r"\hat v",
    "v_max": r"v_{\max}",
    "rho_inf": r"\rho_\infty",
    "l": r"\ell",
    **{name: rf"\mathrm{{{name}}}" for name in ("lr", "decay", "average", "slow", "rows", "columns")},
    "weight_decay": r"\mathrm{weight\_decay}",
    "warmup_steps": r"\mathrm{warmup\_steps}",
}
"""How names of several letters are written; a single letter is written as it is."""

FUNCTIONS = {
    "max": r"\max",
    "min": r"\min",
    "sign": r"\operatorname{sign}",
    "grad": r"\nabla f",
    "orthogonal": r"\operatorname{orthogonal}",
    "mu": r"\mu",
    "gamma": r"\gamma",
}
"""Names that are functions if a parenthesis follows at once."""

SIGNS = {"<-": r"\leftarrow", "=": "=", ">": ">", "<": "<"}

TOKEN = re.compile(r"\s*(?:(\.\.\.)|(\d+(?:\.\d+)?(?:e-?\d+)?)|([A-Za-z_]\w*)(\()?|(\*\*|<-|[-+*/(),|=<>^]))")

Token = tuple[str, str]


class NotAFormulaError(ValueError):
    """A text cannot be read as a formula."""


def formulas(page: str) -> list[str]:
    """The blocks of formulas in a docstring: the paragraphs whose lines are all indented, without the indentation."""
    blocks = []
    for paragraph in re.split(r"\n\s*\n", page):
        lines = paragraph.splitlines()
        if lines and all(line.startswith("    ") for line in lines):
            blocks.append("\n".join(line[4:].rstrip() for line in lines))
    return blocks


def tex(block: str) -> str:
    """A block of formulas as TeX, one line below the other, aligned at their signs."""
    rows = []
    for line in block.splitlines():
        indent = (len(line) - len(line.lstrip())) // 4
        text, remark = _parted(line.strip())
        for part in re.split(r";\s+", text):
            rows.append(_row(part, indent, remark))
            remark = ""
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _parted(line: str) -> tuple[str, str]:
    """A line, and the remark that stands behind it after at least three spaces."""
    found = re.match(r"(.*?\S) {3,}(?![<=])(\S.*)$", line)
    if found is None or not re.search(r"[=:>]|<-", found[1]):
        return line, ""
    return found[1], found[2]


def _row(text: str, indent: int, remark: str) -> str:
    space = r"\quad " * indent
    named = re.match(r"(with|.*:) (?=.* (?:<-|=) )", text)  # words before a formula, as in "with a = 1"
    if named is not None:
        space += _words(named[1]) + r"\ "
        text = text[named.end() :]
    sides = re.split(r"\s+(<-|=)\s+", text, maxsplit=1)
    if len(sides) == 3:
        row = f"{space}{expression(sides[0])} &{SIGNS[sides[1]]} {expression(sides[2])}"
    else:
        row = f"{space}{_condition(text)} &"
    return f"{row} && {_remark(remark)}" if remark else row


def _remark(text: str) -> str:
    """A remark in words, or as a formula if it is one."""
    sides = text.split(" = ", 1)
    if len(sides) == 2 and not any(expression(side).startswith(r"\text") for side in sides):
        return " = ".join(map(expression, sides))
    return _words(text)


def _condition(text: str) -> str:
    """A line without a sign of its own, such as ``if rho > 5:``."""
    found = re.match(r"if (.*):$", text)
    if found is None:
        return _words(text)
    return rf"\text{{if }} {expression(found[1])} \text{{:}}"


def expression(text: str) -> str:
    """One side of a formula as TeX; in words, if it cannot be read."""
    try:
        return _read(text)
    except NotAFormulaError:
        return _words(text)


def _read(text: str, any_name: bool = False) -> str:
    """One side of a formula; with `any_name`, names that are not in `SYMBOLS` are taken for symbols too."""
    reader = _Reader(_tokens(text, any_name))
    made = reader.sides()
    if reader.next:
        raise NotAFormulaError(text)
    return made


def code_as_formula(body: Sequence[ast.stmt]) -> str:
    """The statements of a rule as TeX: ``v[:] = mu * v + g`` is a formula already.

    Raises:
        NotAFormulaError: one of them is not the assignment of an expression to a name.
    """
    rows = []
    for statement in body:
        match statement:
            case ast.Assign([ast.Subscript(ast.Name(name))], value):
                rows.append((name, r"\leftarrow", ast.unparse(value)))
            case ast.Assign([ast.Name(name)], value):
                rows.append((name, "=", ast.unparse(value)))
            case ast.AugAssign(
                ast.Name(name) | ast.Subscript(ast.Name(name)), ast.Sub() | ast.Add() as operator, value
            ):
                sign = "-" if isinstance(operator, ast.Sub) else "+"
                more = ast.unparse(value)
                if isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Add, ast.Sub)):
                    more = f"({more})"
                rows.append((name, r"\leftarrow", f"{name} {sign} {more}"))
            case _:
                raise NotAFormulaError(ast.unparse(statement))
    made = [f"{_read(name, True)} &{sign} {_read(value, True)}" for name, sign, value in rows]
    return "\\begin{aligned}\n" + " \\\\\n".join(made) + "\n\\end{aligned}"


def _words(text: str) -> str:
    escaped = re.sub(r"([_#%&$])", r"\\\1", text.replace("`", ""))
    return rf"\text{{{escaped}}}" if text else ""


def _tokens(text: str, any_name: bool = False) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text.rstrip()):
        found = TOKEN.match(text, at)
        if found is None:
            raise NotAFormulaError(text)
        at = found.end()
        dots, number, name, call, sign = found.groups()
        if dots:
            tokens.append(("name", r"\cdots"))
        elif number:
            tokens.append(("name", _number(number)))
        elif name and call:
            if name not in FUNCTIONS and name != "sqrt":
                raise NotAFormulaError(name)
            tokens.append(("call", name))
        elif name:
            if len(name) > 1 and name not in SYMBOLS and not any_name:
                raise NotAFormulaError(name)
            plain = name if len(name) == 1 else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"
            tokens.append(("name", SYMBOLS.get(name, plain)))
        else:
            tokens.append(("sign", sign))
    return tokens


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    return rf"10^{{{exponent}}}" if mantissa == "1" else rf"{mantissa} \cdot 10^{{{exponent}}}"


class _Reader:
    """Reads tokens from left to right: sides, separated by signs of comparison and commas; sums; terms; factors."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = list(tokens)
        self.at = 0

    @property
    def next(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, *signs: str) -> str | None:
        """The next token, if it is one of these signs."""
        if self.next and self.next[0] == "sign" and self.next[1] in signs:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def need(self, sign: str) -> None:
        if self.take(sign) is None:
            raise NotAFormulaError(sign)

    def sides(self) -> str:
        made = self.sum()
        while sign := self.take("<-", "=", ">", "<", ","):
            made += ", " if sign == "," else f" {SIGNS[sign]} "
            made += self.sum()
        return made

    def sum(self, bar: bool = False) -> str:
        """Terms with + and - between; `bar`: up to the second bar of an absolute value."""
        made = "-" if self.take("-") else ""
        made += self.term(bar)
        while sign := self.take("+", "-"):
            made += f" {sign} {self.term(bar)}"
        return made

    def term(self, bar: bool = False) -> str:
        """Factors side by side; those before a ``/``, since the last fraction, are its numerator."""
        done: list[str] = []
        top = [self.factor(bar)]
        while self.next:
            if self.take("/"):
                done.append(rf"\frac{{{_product(top)}}}{{{_bare(self.factor(bar))}}}")
                top = []
            elif self.take("*") or self.starts(bar):
                top.append(self.factor(bar))
            else:
                break
        return _product([*done, *top]) if done or len(top) > 1 else top[0]

    def starts(self, bar: bool) -> bool:
        """Whether the next token begins another factor of this term."""
        assert self.next is not None
        kind, text = self.next
        return kind in ("name", "call") or text == "(" or (text == "|" and not bar)

    def factor(self, bar: bool = False) -> str:
        base = self.atom(bar)
        if self.take("**", "^"):
            base = f"{_wrapped(base)}^{{{_bare(self.atom(bar))}}}"
        return base

    def atom(self, bar: bool) -> str:
        if self.next is None:
            raise NotAFormulaError("it ends too early")
        kind, text = self.next
        self.at += 1
        if kind == "name":
            return text
        if kind == "call":
            inside = self.sides()
            self.need(")")
            return rf"\sqrt{{{inside}}}" if text == "sqrt" else rf"{FUNCTIONS[text]}({inside})"
        if text == "(":
            inside = self.sides()
            self.need(")")
            return rf"\left({inside}\right)"
        if text == "|" and not bar:
            inside = self.sum(bar=True)
            self.need("|")
            return rf"\left|{inside}\right|"
        raise NotAFormulaError(text)


def _bare(made: str) -> str:
    """Without the parentheses around the whole: a denominator and an exponent need none."""
    inside = made[len(r"\left(") : -len(r"\right)")]
    if made.startswith(r"\left(") and made.endswith(r"\right)") and r"\right)" not in inside.split(r"\left(")[0]:
        return inside
    return made


def _product(factors: Sequence[str]) -> str:
    """Factors side by side, with a little room around names of several letters."""
    if len(factors) == 1:
        return _bare(factors[0])
    made = factors[0]
    for before, factor in pairwise(factors):
        made += (r" \, " if before.startswith(r"\mathrm") or factor.startswith(r"\mathrm") else " ") + factor
    return made


def _wrapped(base: str) -> str:
    return f"{{{base}}}" if "^" in base or "\\hat" in base else base
