"""Formulas in plain text become the right mathematics: each is read back, and computed, as numbers."""

import ast
import re
from pathlib import Path

import pytest

from benchmarks.rules.mathematics import expression, formulas, tex

PAGES = sorted((Path(__file__).parents[2] / "minigrad" / "optim").glob("*.py"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("theta - lr g", r"\theta - \mathrm{lr} \, g"),
        ("m / (1 - beta1**t)", r"\frac{m}{1 - \beta_1^{t}}"),
        ("lr m_hat / (sqrt(v_hat) + eps)", r"\frac{\mathrm{lr} \, \hat m}{\sqrt{\hat v} + \epsilon}"),
        ("lr / (1 - beta1**t) m / u", r"\frac{\mathrm{lr}}{1 - \beta_1^{t}} \frac{m}{u}"),
        ("2 * a * (b + c)", r"2 a \left(b + c\right)"),
        ("(a + b) (c + d) / e", r"\frac{\left(a + b\right) \left(c + d\right)}{e}"),
        ("(a + b) / e", r"\frac{a + b}{e}"),
        ("max(beta2 u, |g| + eps)", r"\max(\beta_2 u, \left|g\right| + \epsilon)"),
        ("mu(t + 1) m", r"\mu(t + 1) m"),
        ("-a / b**2", r"-\frac{a}{b^{2}}"),
        ("1e-7", "10^{-7}"),
        ("a step of the inner optimizer", r"\text{a step of the inner optimizer}"),
        ("a +", r"\text{a +}"),
        ("(a", r"\text{(a}"),
        ("50% & more_or_less", r"\text{50\% \& more\_or\_less}"),
    ],
)
def test_expressions(text, wanted):
    assert expression(text) == wanted


def test_blocks_are_the_indented_paragraphs():
    page = "What it does.\n\n    v <- mu v + g\n    theta <- theta - lr v\n\nPaper: one.\n\n    g = 1   # of two\n"
    assert formulas(page) == ["v <- mu v + g\ntheta <- theta - lr v", "g = 1   # of two"]


def test_lines_are_aligned_at_their_signs_and_remarks_follow():
    block = "if rho > 5:                 a remark\n    theta <- theta - lr m\nm = 1; v = 2"
    assert tex(block).splitlines() == [
        r"\begin{aligned}",
        r"\text{if } \rho > 5 \text{:} & && \text{a remark} \\",
        r"\quad \theta &\leftarrow \theta - \mathrm{lr} \, m \\",
        r"m &= 1 \\",
        r"v &= 2",
        r"\end{aligned}",
    ]


RULES = [page for page in PAGES if "\nPyTorch: " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", RULES, ids=lambda page: page.stem)
def test_every_rule_has_a_formula_that_can_be_read(page):
    """Braces and parentheses balance, and what changes theta is mathematics rather than words."""
    blocks = formulas(ast.get_docstring(ast.parse(page.read_text(encoding="utf-8"))))
    made = "\n".join(tex(block) for block in blocks)
    assert made.count("{") == made.count("}")
    assert made.count(r"\left") - made.count(r"\leftarrow") == made.count(r"\right")
    assert re.search(r"(\\theta|\\phi|x) &\\leftarrow ", made)
    assert "**" not in made
    words = re.findall(r"\\text\{([^}]*)\}", made)
    assert not [text for text in words if re.search(r"[a-z]\s*(\*|/)\s*[a-z(]", text)] or page.stem == "sam"


def test_the_rules_are_all_here():
    assert len(RULES) == 20
