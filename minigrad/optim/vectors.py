"""theta and g: the parameters of an optimizer end to end in one vector, and their gradients in a second.

A layer's weight is then a view of theta, and its gradient is computed directly in g. Several optimizers with the same
parameters share the vectors.
"""

from __future__ import annotations

import weakref

from minigrad import backend
from minigrad.backend import Array
from minigrad.recording import Memory, Slot
from minigrad.tensor import ShapeError, Tensor


class Vectors:
    """The vectors of some tensors, which become views of `theta`."""

    def __init__(self, params: list[Tensor]) -> None:
        xp = backend.get_array_module(params[0].data)
        self.theta: Array = xp.concatenate([p.data.reshape(-1) for p in params])
        self.g: Array = xp.zeros_like(self.theta)
        self.slots: list[Slot] = []
        me = weakref.ref(self)
        start = 0
        for p in params:
            stop = start + p.data.size
            slot = Slot(self.theta[start:stop].reshape(p.shape), self.g[start:stop].reshape(p.shape), start, me)
            # Recorded operations may still use the old array, from before it was last changed.
            p._memory = Memory(0 if p._memory is None else p._memory.changed)
            p._data, p._slot = slot.theta, slot
            self.slots.append(slot)
            start = stop

    @staticmethod
    def of(params: list[Tensor], rule: str) -> Vectors:
        """The vectors that hold exactly these tensors in this order: those of another optimizer, or new ones.

        Raises:
            TypeError: the tensors have several dtypes, or are on several devices.
        """
        slot = params[0]._slot
        found: Vectors | None = slot.vectors() if slot is not None else None
        if (
            found is not None
            and len(found.slots) == len(params)
            and all(p._slot is h and p._data is h.theta for p, h in zip(params, found.slots, strict=True))
        ):
            return found
        kinds = {(str(p.dtype), str(p.device)) for p in params}
        if len(kinds) > 1:
            listed = " and ".join(f"{dtype} on {where}" for dtype, where in sorted(kinds))
            raise TypeError(f"{rule}: all parameters must have one dtype and device, not {listed}")
        return Vectors(params)


def copy_gradient(p: Tensor, slot: Slot) -> None:
    """Copy a gradient that is not in g, because it was read or assigned by hand, to its place in g.

    `p.grad` remains the same tensor, and the user can go on changing it.
    """
    gradient = p._grad.data if isinstance(p._grad, Tensor) else p._grad
    if gradient.shape != slot.g.shape:
        raise ShapeError(f"a gradient of shape {gradient.shape} does not fit a parameter of shape {slot.g.shape}")
    slot.g[...] = backend.to_device(gradient, backend.device_of(slot.g))
