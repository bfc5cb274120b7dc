"""Products of vectors and matrices."""

from __future__ import annotations

from typing import Any

from minigrad import ops
from minigrad.conversion import ShapeError
from minigrad.functions.shaping import permute
from minigrad.functions.taken import tensor_of
from minigrad.tensor import Tensor


def _with_axes(name: str, x: Any, count: int) -> Tensor:
    a = tensor_of(name, x)
    if a.ndim != count:
        kind = {1: "vectors", 2: "matrices", 3: "stacks of matrices (three axes)"}[count]
        raise ShapeError(f"{name}: takes {kind}, not the shape {a.shape}")
    return a


def dot(input: Any, other: Any) -> Tensor:
    """The sum of the products of two vectors of one length."""
    a, b = _with_axes("dot", input, 1), _with_axes("dot", other, 1)
    if a.shape != b.shape:
        raise ShapeError(f"dot: vectors of {len(a)} and {len(b)} numbers do not fit")
    return ops.matmul(a, b)


def mv(input: Any, vec: Any) -> Tensor:
    """The product of a matrix (n, m) and a vector (m,)."""
    return ops.matmul(_with_axes("mv", input, 2), _with_axes("mv", vec, 1))


def mm(input: Any, mat2: Any) -> Tensor:
    """The product of two matrices, (n, k) and (k, m)."""
    return ops.matmul(_with_axes("mm", input, 2), _with_axes("mm", mat2, 2))


def bmm(input: Any, mat2: Any) -> Tensor:
    """The products of two stacks of matrices, (b, n, k) and (b, k, m)."""
    a, b = _with_axes("bmm", input, 3), _with_axes("bmm", mat2, 3)
    if len(a) != len(b):
        raise ShapeError(f"bmm: stacks of {len(a)} and {len(b)} matrices do not fit")
    return ops.matmul(a, b)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""
    return tensor_of("addmm", input) * beta + mm(mat1, mat2) * alpha


def outer(input: Any, vec2: Any) -> Tensor:
    """All products of an element of one vector and an element of another: (n,) and (m,) give (n, m)."""
    return ops.reshape(_with_axes("outer", input, 1), -1, 1) * _with_axes("outer", vec2, 1)


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum of products that a formula such as ``"ij,jk->ik"`` describes (Einstein's convention).

    Each letter is an axis. Elements at the same letters are multiplied, and axes whose letter does not stand after the
    arrow are summed. Without an arrow the letters that occur once are kept, in alphabetical order. An ellipsis is not
    supported.

    Raises:
        ValueError: the formula cannot be understood, or does not fit the tensors.
    """
    listed = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    tensors = [tensor_of("einsum", x) for x in listed]
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    letters = "".join(terms)
    if not arrow:
        output = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    if (not letters.isalpha() and letters) or len(set(output)) < len(output) or not set(output) <= set(letters):
        raise ValueError(f"einsum: {equation!r} is no formula such as 'ij,jk->ik'")
    if [len(term) for term in terms] != [t.ndim for t in tensors]:
        raise ShapeError(f"einsum: {equation!r} does not fit tensors of shapes {[t.shape for t in tensors]}")
    lengths: dict[str, int] = {}
    for term, a in zip(terms, tensors, strict=True):
        for letter, n in zip(term, a.shape, strict=True):
            if lengths.setdefault(letter, n) not in (n, 1) and n != 1:
                raise ShapeError(f"einsum: axis {letter} of {equation!r} has the lengths {lengths[letter]} and {n}")
            lengths[letter] = max(lengths[letter], n)
    rest = list(zip(terms, tensors, strict=True))
    term, y = _on_diagonals(*rest[0])
    for k, (other, b) in enumerate(rest[1:], 1):
        other, b = _on_diagonals(other, b)
        needed = set(output).union(*(later for later, _ in rest[k + 1 :]))
        term, y = _product(term, y, other, b, needed)
    y = y.sum(tuple(i for i, letter in enumerate(term) if letter not in output)) if set(term) - set(output) else y
    term = "".join(letter for letter in term if letter in output)
    return permute(y, [term.index(letter) for letter in output])


def _on_diagonals(term: str, a: Tensor) -> tuple[str, Tensor]:
    """The tensor with each letter once: of two axes with one letter the diagonal is taken."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            i = term.index(letter)
            j = term.index(letter, i + 1)
            a = a.transpose(i, 0).transpose(j, 1) if (i, j) != (0, 1) else a
            order = list(term)
            order[i], order[0] = order[0], order[i]
            order[j], order[1] = order[1], order[j]
            places = list(range(a.shape[0]))
            a, term = a[places, places], letter + "".join(order[2:])
    return term, a


def _product(one: str, a: Tensor, two: str, b: Tensor, needed: set[str]) -> tuple[str, Tensor]:
    """The product of two tensors, summed over the letters that are not needed any more, as one matrix product."""
    both = [letter for letter in one if letter in two]
    stacked = [letter for letter in both if letter in needed]
    summed = [letter for letter in both if letter not in needed]
    left, right = [x for x in one if x not in two], [x for x in two if x not in one]
    a = permute(a, [one.index(x) for x in (*stacked, *left, *summed)])
    b = permute(b, [two.index(x) for x in (*stacked, *summed, *right)])
    s, n = len(stacked), len(summed)
    before, rows, columns = a.shape[:s], a.shape[s : a.ndim - n], b.shape[s + n :]
    inner = 1
    for length in a.shape[a.ndim - n :]:
        inner *= length
    y = a.reshape(*before, -1 if inner else 0, inner) @ b.reshape(*before, inner, -1 if inner else 0)
    return "".join((*stacked, *left, *right)), y.reshape(*before, *rows, *columns)
