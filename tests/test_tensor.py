"""Tensors as containers: how they are made, their dtypes, and how values come out of them."""

from __future__ import annotations

import copy
import decimal
import fractions
import math
import operator
import pickle
import re
from array import array as buffer
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, conversion, float32, float64, int64, nn

bool_ = minigrad.bool

# --- Making them -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1.5, float32, ()),
        ([1.5, 2], float32, (2,)),
        ([[1.0], [2.0]], float32, (2, 1)),
        ((0.1, 0.2), float32, (2,)),
        (3, int64, ()),
        ([1, 2, 3], int64, (3,)),
        (True, bool_, ()),
        ([True, False], bool_, (2,)),
        ([], float32, (0,)),
        (np.zeros((2, 3)), float64, (2, 3)),
        (np.zeros(3, np.float32), float32, (3,)),
        (np.arange(3, dtype=np.uint8), np.dtype("uint8"), (3,)),
        (np.float64(2.0), float64, ()),
        (np.float32(2.0), float32, ()),
    ],
    ids=repr,
)
def test_dtypes_of_what_is_given(data: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    x = minigrad.tensor(data)
    assert x.dtype == dtype
    assert x.shape == shape
    np.testing.assert_array_equal(x.data, np.asarray(data, dtype))
    assert not x.requires_grad


@pytest.mark.parametrize("dtype", [float32, float64, int64, bool_, "float64", np.float64, float])
def test_a_dtype_that_is_asked_for(dtype: Any) -> None:
    for data in ([0, 1], [0.0, 1.0], np.array([0.0, 1.0]), minigrad.tensor([0.0, 1.0])):
        x = minigrad.tensor(data, dtype=dtype)
        assert x.dtype == np.dtype(dtype)
        assert x.tolist() == [0, 1]


def test_python_floats_keep_all_digits_in_float64() -> None:
    x = minigrad.tensor([0.1, 1 / 3], dtype=float64)
    assert x.tolist() == [0.1, 1 / 3]
    assert minigrad.tensor(math.pi, dtype=float64).item() == math.pi
    assert minigrad.tensor([2**53 + 1]).item() == 2**53 + 1
    assert minigrad.full((2,), 0.1, dtype=float64).tolist() == [0.1, 0.1]
    assert minigrad.arange(0, 0.3, 0.1, dtype=float64).tolist() == [0.0, 0.1, 0.2]


def test_a_tensor_is_a_copy() -> None:
    array = np.ones(3)
    x = minigrad.tensor(array)
    y = minigrad.tensor(x, requires_grad=True)
    array[0] = 5
    x.data[1] = 6
    assert x.tolist() == [1, 6, 1]
    assert y.tolist() == [1, 1, 1]
    assert y.requires_grad
    assert y.is_leaf


def test_the_class_shares_its_array() -> None:
    array = np.ones(3)
    assert Tensor(array).data is array


def test_creation() -> None:
    for made, value in ((minigrad.zeros, 0), (minigrad.ones, 1)):
        for x in (made(2, 3), made((2, 3)), made([2, 3])):
            assert x.dtype == float32
            assert x.tolist() == [[value] * 3] * 2
        assert made(()).item() == value
        assert made(4, dtype=int64).dtype == int64
        assert made(2, requires_grad=True).requires_grad
    assert minigrad.full((2,), 7).tolist() == [7, 7]
    assert minigrad.arange(4).tolist() == [0, 1, 2, 3]
    assert minigrad.arange(4).dtype == int64
    assert minigrad.arange(1, 8, 3).tolist() == [1, 4, 7]
    assert minigrad.arange(0, 1, 0.25).dtype == float32
    assert minigrad.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]


def test_random_creation() -> None:
    u = minigrad.rand(50, 40)
    assert u.shape == (50, 40)
    assert u.dtype == float32
    assert 0 <= u.data.min() < 0.01
    assert 0.99 < u.data.max() < 1
    n = minigrad.randn((50, 40), dtype=float64, requires_grad=True)
    assert n.shape == (50, 40)
    assert n.dtype == float64
    assert n.requires_grad
    assert abs(n.data.mean()) < 0.1
    assert abs(n.data.std() - 1) < 0.1
    order = minigrad.randperm(20)
    assert order.dtype == int64
    assert sorted(order.tolist()) == list(range(20))
    assert order.tolist() != list(range(20))


@pytest.mark.parametrize("data", ["abc", None, [None], {"a": 1}, object(), ["a", "b"], 1j])
def test_only_numbers_make_a_tensor(data: Any) -> None:
    with pytest.raises(TypeError, match=f"a tensor holds (real )?numbers, not .*{type(data).__name__}"):
        minigrad.tensor(data)


def test_ragged_lists_do_not_make_a_tensor() -> None:
    with pytest.raises((TypeError, ValueError), match="ragged"):
        minigrad.tensor([[1, 2], [3]])


def test_lists_of_tensors() -> None:
    assert minigrad.tensor([minigrad.tensor(1.0), minigrad.tensor(2.0)]).tolist() == [1, 2]


def masked(*masks: int) -> Any:
    return np.ma.masked_array([1.0, 2.0], masks)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("make", [np.matrix, lambda rows: np.ma.masked_array(rows), lambda rows: np.array(rows, ">f8")])
def test_other_kinds_of_arrays_become_plain(make: Any) -> None:
    """A matrix times itself is a matrix product; here ``**`` is elementwise, whatever the numbers came in."""
    data = make([[1.0, 2.0], [3.0, 4.0]])
    for x in (minigrad.tensor(data), minigrad.zeros(2, 2) + data, data + minigrad.zeros(2, 2)):
        assert type(x.data) is np.ndarray
        assert x.dtype == float64
        assert x.dtype.isnative
        assert (x**2).tolist() == [[1, 4], [9, 16]]


def test_a_plain_array_is_taken_as_it_is() -> None:
    for dtype in ("bool", "uint8", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"):
        array = np.ones((2, 3), dtype)[:, ::2]
        assert conversion.plain(array) is array
        assert conversion.plain(array, dtype) is array
    assert conversion.plain(array, "float32").dtype == float32


def test_arrays_in_a_file_become_plain(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3.0))
    x = minigrad.tensor(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert type(x.data) is np.ndarray
    assert x.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["i2", "u4", "i8", "f2", "f4", "f8"])
def test_another_byte_order_becomes_native(kind: str) -> None:
    for data in (np.array([1, 2], ">" + kind), np.array([1, 2], kind).astype(">" + kind)[0], np.array(1, ">" + kind)):
        x = minigrad.tensor(data)
        assert x.dtype == np.dtype(kind)
        assert x.dtype.isnative
        np.testing.assert_array_equal(x.data, data)
    assert minigrad.zeros(2, dtype=">" + kind).dtype.isnative


class Gives:
    """An object with an array in it, as of pandas or PyTorch."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array if dtype is None else self.array.astype(dtype)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (Gives(np.array([1.0, 2.0])), float64),
        (Gives(np.array([1.0, 2.0], ">f4")), float32),
        (Gives(np.array([1, 2])), int64),
        (np.float16(1), np.dtype("float16")),
        (buffer("d", [1.0, 2.0]), float64),
        (range(3), int64),
        ([np.float64(1.0), 2.0], float64),
        ([np.float32(1.0), 2.0], float32),
        ([np.int32(1), 2.0], float32),
        ([np.ones(2), np.ones(2)], float64),
        ([np.ones(2, np.float32), np.ones(2)], float64),
        ([minigrad.tensor([1.0]), minigrad.tensor([1.0])], float32),
        ([minigrad.ones(1, dtype=float64), [2.0]], float64),
        ([True, 1.5], float32),
        ([1, True], int64),
        ([[], []], float32),
    ],
)
def test_dtypes_of_what_holds_arrays(data: Any, dtype: Any) -> None:
    x = minigrad.tensor(data)
    assert type(x.data) is np.ndarray
    assert x.dtype == dtype


@pytest.mark.parametrize(
    "data",
    [
        np.array([None, 1.0]),
        np.array([1.0, 2.0], object),
        np.array(["a"]),
        np.array([b"a"]),
        np.zeros(2, np.complex64),
        np.zeros(2, "M8[s]"),
        np.zeros(2, "m8[s]"),
        np.zeros(2, [("a", "f4")]),
        np.zeros(2, "V3"),
        b"ab",
        {1.0, 2.0},
        iter([1.0]),
        fractions.Fraction(1, 2),
        decimal.Decimal(1),
        Gives(np.array(["a"])),
        np.str_("a"),
        [1.0, "a"],
        [[1.0], [None]],
    ],
)
def test_arrays_of_other_things_make_no_tensor(data: Any) -> None:
    dtype = np.asarray(data).dtype
    for dtype_asked in (None, "float32"):
        with pytest.raises(TypeError, match=re.escape(f"numbers, not {dtype} from {type(data).__name__}")) as caught:
            minigrad.tensor(data, dtype=dtype_asked)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match=r"weights holds (real )?numbers"):
        conversion.plain(data, what="weights")


@pytest.mark.skipif(np.dtype("longdouble") == float64, reason="longdouble is float64 here")
def test_a_longdouble_is_refused_unless_asked_for_as_something_else() -> None:
    third = np.longdouble(1) / 3
    for data in (third, np.array([third]), [third]):
        with pytest.raises(TypeError, match=r"up to 64 bits, not .*(float\d+|longdouble)"):
            minigrad.tensor(data)
        assert minigrad.tensor(data, dtype=float64).dtype == float64
    with pytest.raises(TypeError, match="up to 64 bits"):
        minigrad.zeros(2, dtype=np.longdouble)


@pytest.mark.parametrize(
    "data", [masked(0, 1), [masked(0, 1), masked(0, 0)], np.ma.masked, [1.0, np.ma.masked]], ids=str
)
def test_masked_elements_have_no_number(data: Any) -> None:
    with pytest.raises(ValueError, match=r"1 of the [12] elements of this masked array .* \.filled\(\)"):
        minigrad.tensor(data)


def test_integers_that_fit_no_dtype() -> None:
    for data in ([2**63], [2**63, -1], -(2**63) - 1, [2**64], 10**400):
        with pytest.raises(ValueError, match=r"a tensor .*cannot hold"):
            minigrad.tensor(data)
    for data, dtype in (
        ([300], "uint8"),
        (-1, "uint8"),
        ([1.0, math.nan], int64),
        ([math.inf], "int8"),
        ([1e30], int64),
    ):
        with pytest.raises(ValueError, match=f"a tensor of {np.dtype(dtype)} cannot hold"):
            minigrad.tensor(data, dtype=dtype)
    assert minigrad.tensor([2**63], dtype="uint64").tolist() == [2**63]
    assert minigrad.tensor([-1.9, 255], dtype="int16").tolist() == [-1, 255]


def test_lists_nested_without_end() -> None:
    data: list[Any] = []
    data.append(data)
    with pytest.raises(ShapeError, match="nested deeper"):
        minigrad.tensor(data)


@pytest.mark.parametrize(
    "dtype", ["complex64", "S3", object, "nonsense", "", 1.5, "f4,f4", [("a", int)], "datetime64", str, print], ids=repr
)
def test_dtypes_that_no_tensor_has(dtype: Any) -> None:
    makers: list[Any] = [
        lambda: minigrad.tensor([1.0], dtype=dtype),
        lambda: minigrad.tensor(np.ones(1), dtype=dtype),
        lambda: minigrad.zeros(2, dtype=dtype),
        lambda: minigrad.ones(2, dtype=dtype),
        lambda: minigrad.full((2,), 1.0, dtype=dtype),
        lambda: minigrad.arange(2, dtype=dtype),
        lambda: minigrad.rand(2, dtype=dtype),
        lambda: minigrad.randn(2, dtype=dtype),
        lambda: minigrad.ones(2).to(dtype=dtype),
    ]
    for make in makers:
        with pytest.raises(TypeError, match=r"is no dtype: use|a tensor's elements are bools, integers or floats"):
            make()


def test_no_dtype_is_float32_as_in_pytorch() -> None:
    for make in (minigrad.zeros, minigrad.ones, minigrad.rand, minigrad.randn):
        assert make(2, dtype=None).dtype == float32


SHAPED = [minigrad.zeros, minigrad.ones, minigrad.rand, minigrad.randn]


@pytest.mark.parametrize("make", SHAPED)
def test_sizes_are_integers_of_any_kind(make: Any) -> None:
    for three in (np.int64(3), np.uint8(3), np.array(3), np.array([3]), minigrad.tensor(3), minigrad.tensor([3]), [3]):
        assert make(three).shape == (3,)
        assert minigrad.full(three, 1.0).shape == (3,)
    two_by_three: list[Any] = [[2, 3], (np.int32(2), minigrad.tensor(3)), np.array([2, 3]), minigrad.tensor([2, 3])]
    for shape in (*two_by_three, minigrad.ones(2, 3).shape, minigrad.ones(2, 3).size(), range(2, 4)):
        assert make(shape).shape == (2, 3)
        assert minigrad.full(shape, 1.0).shape == (2, 3)
    assert make(np.int64(2), minigrad.tensor(3)).shape == (2, 3)


@pytest.mark.parametrize("make", [*SHAPED, lambda *size: minigrad.full(size[0] if len(size) == 1 else size, 1.0)])
def test_sizes_that_are_none(make: Any) -> None:
    sizes: list[Any] = [(2.0,), (True,), ("3",), (None,), ({2, 3},), ([2, 3.0],), (2, [3]), (np.float32(2),)]
    for wrong in [*sizes, (minigrad.tensor([2.0]),), (minigrad.ones(2, 2, dtype=int64),)]:
        with pytest.raises(TypeError, match=r"the length of an axis is an integer, not "):
            make(*wrong)
    for negative in ((-1,), ([2, -3],), (np.int64(-1), 2)):
        with pytest.raises(ShapeError, match="an axis cannot have a negative length"):
            make(*negative)


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda: minigrad.full((2,), [1.0, 2.0]), ShapeError, "full: fill_value is one number"),
        (lambda: minigrad.full((2,), "a"), TypeError, "full: fill_value holds numbers"),
        (lambda: minigrad.full((2,), None), TypeError, "full: fill_value holds numbers"),
        (lambda: minigrad.full((2,), 300, dtype="uint8"), ValueError, "uint8 cannot hold 300"),
        (lambda: minigrad.full((2,), math.nan, dtype=int64), ValueError, "int64 cannot hold nan"),
        (lambda: minigrad.arange(), TypeError, "arange: takes end"),
        (lambda: minigrad.arange(0, 3, 1, 1), TypeError, "arange: takes end"),
        (lambda: minigrad.arange("a"), TypeError, "arange: a bound holds numbers"),
        (lambda: minigrad.arange([3]), ShapeError, "arange: a bound is one number"),
        (lambda: minigrad.arange(0, 3, 0), ValueError, "arange: the step must not be 0"),
        (lambda: minigrad.arange(0, math.inf), ValueError, "arange: its bounds and step are finite"),
        (lambda: minigrad.arange(math.nan), ValueError, "arange: its bounds and step are finite"),
        (lambda: minigrad.arange(300, dtype="uint8"), ValueError, "arange: a tensor of uint8 cannot hold 299"),
        (lambda: minigrad.rand(2, dtype="float16"), TypeError, "float32 or float64, not float16"),
        (lambda: minigrad.randperm(3.0), TypeError, "randperm: the count is an integer, not 3.0"),
        (lambda: minigrad.randperm(True), TypeError, "randperm: the count is an integer, not True"),
        (lambda: minigrad.randperm(None), TypeError, "randperm: the count is an integer, not None"),
        (lambda: minigrad.randperm(-1), ValueError, "randperm: the count is 0 or more, not -1"),
    ],
)
def test_creation_that_cannot_be(wrong: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        wrong()


def test_bounds_and_numbers_of_any_kind() -> None:
    assert minigrad.arange(np.int64(3)).tolist() == minigrad.arange(minigrad.tensor(3)).tolist() == [0, 1, 2]
    assert minigrad.arange(np.int8(1), np.array(7), 3).dtype == int64
    assert minigrad.arange(np.float64(2)).dtype == float32
    assert minigrad.full((2,), minigrad.tensor(0.5)).tolist() == minigrad.full((2,), np.float32(0.5)).tolist()
    assert minigrad.full((1,), 1 / 3, dtype=float64).item() == 1 / 3
    assert sorted(minigrad.randperm(np.int64(3)).tolist()) == [0, 1, 2]


# --- What they say of themselves ---------------------------------------------------------------------


def test_shape_and_size() -> None:
    x = minigrad.zeros(2, 3, 4)
    assert x.shape == (2, 3, 4) == x.size()
    assert (x.size(0), x.size(-1), x.ndim, x.dim(), x.numel(), len(x)) == (2, 4, 3, 3, 24, 2)
    assert x.device == "cpu"
    assert str(x.device) == "cpu"
    assert minigrad.tensor(1.0).numel() == 1
    with pytest.raises(TypeError, match="without axes has no length"):
        len(minigrad.tensor(1.0))


def test_numbers_out_of_tensors() -> None:
    x = minigrad.tensor([[2.5]])
    assert float(x) == x.item() == 2.5
    assert int(x) == 2
    assert isinstance(x.item(), float)
    assert isinstance(minigrad.tensor(3).item(), int)
    assert bool(x)
    assert not minigrad.tensor(0.0)
    assert [10, 20, 30][minigrad.tensor(1)] == 20
    assert list(range(minigrad.tensor(3))) == [0, 1, 2]
    with pytest.raises(TypeError, match="integers can be an index, not one of float32"):
        operator.index(minigrad.tensor(1.0))
    assert minigrad.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert f"{minigrad.tensor(2.5).item():.3f}" == "2.500"


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 3)])
def test_many_elements_are_no_number(shape: tuple[int, ...]) -> None:
    x = minigrad.zeros(shape)
    for convert in (float, int, Tensor.item):
        with pytest.raises(ValueError, match=r"item\(\) needs .* one element, not one of shape \(" + str(shape[0])):
            convert(x)
    with pytest.raises(ValueError, match=r"a tensor of shape .* has no single truth value.*\.any\(\) or \.all\(\)"):
        bool(x)


def test_numpy_gets_the_array() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    assert x.numpy() is x.data
    assert np.asarray(x).tolist() == [1, 2]
    assert np.shares_memory(np.asarray(x), x.data)
    assert not np.shares_memory(np.array(x), x.data)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.stack([x.data, np.asarray(x * 2)]), [[1, 2], [2, 4]])
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype=np.int32, copy=False)


def test_iteration() -> None:
    x = minigrad.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    rows = list(x)
    assert [row.tolist() for row in rows] == [[1, 2], [3, 4]]
    (rows[0] * rows[1]).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[3, 4], [1, 2]]
    a, b = minigrad.tensor([5, 6])
    assert (a.item(), b.item()) == (5, 6)
    assert list(minigrad.zeros(0)) == []
    with pytest.raises(TypeError, match="without axes"):
        iter(minigrad.tensor(1.0)).__next__()
    assert minigrad.tensor(6) in minigrad.tensor([5, 6])
    assert 7 not in minigrad.tensor([5, 6])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: minigrad.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: minigrad.tensor([1, 2]), "tensor([1, 2])"),
        (lambda: minigrad.tensor(True), "tensor(True)"),
        (lambda: minigrad.tensor([[1.0], [2.0]]), "tensor([[1.],\n        [2.]])"),
        (lambda: minigrad.tensor(1.0, dtype=float64), "tensor(1., dtype=float64)"),
        (lambda: minigrad.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: minigrad.tensor([0.0], requires_grad=True).exp(), "tensor([1.], made by exp)"),
    ],
)
def test_repr(make: Callable[[], Tensor], text: str) -> None:
    assert repr(make()) == text


def test_tensors_are_hashed_by_identity() -> None:
    a, b = minigrad.tensor(1.0), minigrad.tensor(1.0)
    assert {a: 1, b: 2}[a] == 1
    assert len({a, b, a}) == 2


# --- Copies ------------------------------------------------------------------------------------------


def test_deep_copies() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    twin = copy.deepcopy({"x": x, "again": x})
    assert twin["x"] is twin["again"]
    assert twin["x"] is not x
    assert twin["x"].requires_grad
    assert not np.shares_memory(twin["x"].data, x.data)
    assert twin["x"].tolist() == [1, 2]
    assert type(copy.deepcopy(nn.Parameter([1.0]))) is nn.Parameter
    with pytest.raises(RuntimeError, match=r"only a leaf .* detach\(\)"):
        copy.deepcopy(x * 2)


def test_deep_copies_of_modules_train_apart() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    optimizer = minigrad.optim.SGD(model.parameters(), lr=0.1)
    twin = copy.deepcopy(model)
    before = {name: value.tolist() for name, value in twin.state_dict().items()}
    model(minigrad.ones(1, 2)).sum().backward()
    optimizer.step()
    assert {name: value.tolist() for name, value in twin.state_dict().items()} == before
    assert {name: value.tolist() for name, value in model.state_dict().items()} != before
    own = minigrad.optim.SGD(twin.parameters(), lr=0.1)
    twin(minigrad.ones(1, 2)).sum().backward()
    own.step()
    for ours, theirs in zip(twin.parameters(), model.parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_pickles() -> None:
    x = nn.Parameter(np.array([1.0, 2.0]))
    twin = pickle.loads(pickle.dumps(x))
    assert type(twin) is nn.Parameter
    assert twin.requires_grad
    assert twin.dtype == float64
    assert twin.tolist() == [1, 2]
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.25)).eval()
    again = pickle.loads(pickle.dumps(model))
    assert repr(again) == repr(model)
    assert not again.training
    assert not again[1].training
    np.testing.assert_array_equal(again(minigrad.ones(1, 2)).data, model(minigrad.ones(1, 2)).data)
    assert [p is q for p, q in zip(again.parameters(), again[0].parameters(), strict=True)] == [True, True]


def test_clones_carry_gradients() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    y = x.clone()
    assert not np.shares_memory(x.data, y.data)
    (y * 3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3, 3]
    whole = minigrad.tensor([1, 2])
    assert whole.clone().dtype == int64
    assert not np.shares_memory(whole.clone().data, whole.data)


# --- Arithmetic and its dtypes -----------------------------------------------------------------------

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("number", [2, 2.0, 0.1, True])
def test_float32_stays_float32_with_python_numbers(op: Any, number: Any) -> None:
    x = minigrad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for y in (op(x, number), op(number, x)):
        assert y.dtype == float32
        x.grad = None
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.dtype == float32
    np.testing.assert_allclose(op(x, number).data, op(np.array([1.0, 2.0, 3.0]), number), rtol=1e-6)
    np.testing.assert_allclose(op(number, x).data, op(number, np.array([1.0, 2.0, 3.0])), rtol=1e-6)


@pytest.mark.parametrize("op", OPERATORS)
def test_arrays_on_either_side(op: Any) -> None:
    """A NumPy array on the left would take a tensor apart, element by element, if it were let."""
    array = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    x = minigrad.tensor([1.5, 0.5, 2.0], dtype=float64, requires_grad=True)
    for left, right in ((x, array), (array, x), (x, np.float64(3)), (np.float64(3), x)):
        y = op(left, right)
        assert isinstance(y, Tensor)
        assert y.requires_grad
        np.testing.assert_allclose(y.data, op(np.asarray(left), np.asarray(right)))


def test_comparisons_with_arrays_and_numbers() -> None:
    x, array = minigrad.tensor([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    for op in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        for left, right in ((x, array), (array, x), (x, 2), (2, x), (x, minigrad.tensor(2))):
            y = op(left, right)
            assert isinstance(y, Tensor)
            assert y.dtype == bool_
            np.testing.assert_array_equal(y.data, op(np.asarray(left), np.asarray(right)))
    assert (x > 1).sum().item() == 2
    assert (x == x).all()
    assert not (x > 3).any()
    assert not (x.requires_grad_() > 2).requires_grad
    assert (minigrad.tensor([[1, 5]]) > 2).any(1).tolist() == [True]


def test_the_notebooks_count_of_right_answers() -> None:
    outputs, labels = minigrad.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), minigrad.tensor([1, 1, 1])
    _, predicted = minigrad.max(outputs.data, 1)
    correct = (predicted == labels).sum()
    assert correct.item() == 2
    assert (100 * correct / labels.size(0)).item() == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        (float32, float32, float32),
        (float32, float64, float64),
        (int64, int64, int64),
        (int64, float64, float64),
        (bool_, float32, float32),
        (np.uint8, float32, float32),
    ],
)
def test_mixed_dtypes_are_numpys(a: Any, b: Any, dtype: Any) -> None:
    x, y = minigrad.ones(3, dtype=a), minigrad.ones(3, dtype=b)
    assert (x + y).dtype == (y * x).dtype == dtype
    assert (x * y).tolist() == [1, 1, 1]


def test_integer_tensors_calculate() -> None:
    x = minigrad.tensor([[1, 2], [3, 4]])
    assert (x + 1).dtype == int64
    assert (x * x).tolist() == [[1, 4], [9, 16]]
    assert x.sum().item() == 10
    assert x.sum(0).tolist() == [4, 6]
    assert (x / 2).tolist() == [[0.5, 1], [1.5, 2]]
    assert x.float().mean().item() == 2.5
    assert (x @ x).tolist() == [[7, 10], [15, 22]]
    assert (-x).tolist() == [[-1, -2], [-3, -4]]


def test_conversions() -> None:
    x = minigrad.tensor([0.0, 1.7, -2.9], requires_grad=True)
    assert x.to(float32) is x
    assert x.to("cpu") is x
    assert x.to(minigrad.device("cpu"), float64).dtype == float64
    assert x.to(device="cpu", dtype=float64).dtype == float64
    assert x.to(minigrad.ones(1, dtype=float64)).dtype == float64
    assert x.double().requires_grad
    assert x.double().float().dtype == float32
    assert x.long().tolist() == [0, 1, -2]
    assert x.bool().tolist() == [False, True, True]
    (x.double() * np.array([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == float32
    assert x.grad.tolist() == [1, 2, 3]


@pytest.mark.parametrize("convert", [Tensor.long, Tensor.bool, lambda x: x.to(np.uint8)])
def test_no_gradient_flows_through_integers(convert: Any) -> None:
    """They are steps: as if nothing had happened to the tensor would be the wrong answer."""
    x = minigrad.tensor([0.5, 1.7], requires_grad=True)
    assert not convert(x).requires_grad
    y = (convert(x) * x).sum()
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == convert(x).to(float32).tolist()


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (np.exp, np.exp),
        (np.negative, lambda x: -np.ones(2)),
        (lambda x: np.add(x, 1), lambda x: np.ones(2)),
        (lambda x: np.multiply(np.array([2.0, 3.0]), x), lambda x: np.array([2.0, 3.0])),
        (lambda x: np.array([2.0, 3.0]) * x, lambda x: np.array([2.0, 3.0])),
        (lambda x: np.array([2.0, 3.0]) @ x, lambda x: np.array([2.0, 3.0])),
        (lambda x: np.float64(2) / x, lambda x: -2 / x**2),
        (lambda x: np.sum(x), lambda x: np.ones(2)),
        (lambda x: np.mean(x, axis=0), lambda x: np.full(2, 0.5)),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    ],
)
def test_numpys_functions_of_a_tensor_have_gradients(function: Any, slope: Any) -> None:
    values = np.array([0.5, 1.5])
    x = minigrad.tensor(values, requires_grad=True)
    y = function(x)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.detach().numpy(), function(values))
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slope(values), rtol=1e-14)


def test_numpys_functions_that_would_cut_the_tape() -> None:
    x = minigrad.tensor([0.5, 1.5])
    assert np.cbrt(x).tolist() == np.cbrt(x.numpy()).tolist()
    assert np.add.reduce(x).item() == 2
    assert (np.array([1.0, 2.0]) > x).tolist() == [True, True]
    into = np.zeros(2)
    np.add(x, 1, out=into)
    into += x
    assert into.tolist() == [2, 4]
    x.requires_grad_()
    for call in (np.cbrt, lambda x: np.add.reduce(x), lambda x: np.add(x, 1, out=np.zeros(2))):
        with pytest.raises(TypeError, match=r"numpy\.\w+ of a tensor that requires gradients"):
            call(x)


def test_a_gradient_that_is_lost_in_a_python_number_is_warned_of() -> None:
    """As by PyTorch: Python calls the same method for float(tensor) and math.sqrt(tensor)."""
    x = minigrad.tensor(4.0, requires_grad=True)
    for call in (float, math.sqrt):
        with pytest.warns(UserWarning, match=r"through which no gradient flows"):
            assert call(x) in (2, 4)
    assert x.item() == 4
    assert math.sqrt(x.detach()) == 2
    with minigrad.no_grad():
        assert float(x) == 4


def test_rounded_and_formatted() -> None:
    x = minigrad.tensor(2.34567, requires_grad=True)
    assert (round(x, 2), round(x)) == (2.35, 2)
    assert round(minigrad.tensor([1.26, 2.0]), 1).tolist() == pytest.approx([1.3, 2.0])
    assert f"{x:.1f} {minigrad.tensor(7):03d}" == "2.3 007"
    with pytest.raises(TypeError, match=r"'.2f' formats one number, not a tensor of shape \(2,\)"):
        f"{minigrad.ones(2):.2f}"


IN_PLACE = {operator.iadd: 3.5, operator.isub: 2.5, operator.imul: 1.5, operator.itruediv: 6.0}


@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place_operators_change_the_tensor_itself(op: Any) -> None:
    """`p -= ...` under no_grad, as one writes it for a list of parameters: the parameters must move."""
    p = minigrad.tensor([3.0], requires_grad=True)
    with minigrad.no_grad():
        assert op(p, 0.5) is p
    assert p.tolist() == [IN_PLACE[op]]
    assert p.requires_grad
    assert p.is_leaf
    assert p.dtype == float32
    with minigrad.no_grad():
        op(p, np.array([1.0]))
    assert p.dtype == float32


def test_in_place_operators_reach_the_optimizers_vector() -> None:
    p = nn.Parameter(np.array([3.0, 4.0]))
    optimizer = minigrad.optim.SGD([p], lr=1.0)
    loss = (p * p).sum()
    with minigrad.no_grad():
        p -= 1
    assert optimizer.theta.tolist() == [2, 3]
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()
    (p * p).sum().backward()
    optimizer.step()
    assert p.tolist() == [-2, -3]


def test_in_place_operators_keep_what_was_recorded_right() -> None:
    x, w = minigrad.tensor([2.0], requires_grad=True), minigrad.tensor([3.0], requires_grad=True)
    y = (x * w).sum()
    with minigrad.no_grad():
        w += 100
    with pytest.raises(RuntimeError, match=r"a tensor of shape \(1,\) was changed in place.*after mul had used it"):
        y.backward()
    for function in (Tensor.exp, Tensor.sqrt, Tensor.tanh):  # whose backward looks at the result
        y = same = function(x)
        with minigrad.no_grad():
            y += 1
        assert y is same
        with pytest.raises(RuntimeError, match=rf"the result of {function.__name__}, of shape \(1,\), was changed"):
            y.backward()
    for function in (Tensor.log, lambda x: x + 1, lambda x: x * 3):  # whose backward does not
        y = same = function(x)
        with minigrad.no_grad():
            y += 1
        y.backward()


def test_in_place_operators_under_recording() -> None:
    x = minigrad.tensor([2.0], requires_grad=True)
    for op, sign in zip(IN_PLACE, ("+=", "-=", "*=", "/="), strict=True):
        with pytest.raises(RuntimeError, match=re.escape(sign) + r" would change a leaf .*\(1,\).*no_grad\(\)"):
            op(x, 1.0)
    total = minigrad.zeros(1)
    for _ in range(3):
        total += x * x  # a new tensor, since it is to be recorded
    total.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [12]
    count = whole = minigrad.tensor([1, 2])
    count += 1
    count *= minigrad.tensor([1, 0])
    assert whole.tolist() == [2, 0]
    assert whole.dtype == int64


def test_in_place_operators_that_do_not_fit() -> None:
    x, whole = minigrad.ones(3), minigrad.tensor([1, 2])
    with pytest.raises(ShapeError, match=r"\+=: the result has shape \(2, 3\), the tensor \(3,\)"):
        x += minigrad.ones(2, 3)
    with pytest.raises(ShapeError, match=r"add: shapes \(3,\) and \(4,\)"):
        x += minigrad.ones(4)
    with pytest.raises(TypeError, match=r"\+=: the result is float64, which the tensor, of int64, cannot hold"):
        whole += 0.5
    with pytest.raises(TypeError, match="/=: the result is float"):
        whole /= 2
    assert whole.tolist() == [1, 2]
    assert x.tolist() == [1, 1, 1]


def test_public_names_exist_and_are_listed() -> None:
    for name in minigrad.__all__:
        assert hasattr(minigrad, name), name
    assert minigrad.bool == np.dtype(bool)
    assert len(set(minigrad.__all__)) == len(minigrad.__all__)
