"""All that is timed, by the names on the command line."""

from __future__ import annotations

from collections.abc import Mapping

from .library import Library
from .others import Autograd, Jax, Sklearn, Torch
from .ours import Floor, Minigrad, MinigradUncompiled

PEERS: Mapping[str, type[Library]] = {
    peer.name: peer for peer in (Floor, Minigrad, MinigradUncompiled, Torch, Jax, Autograd, Sklearn)
}
"""All of them by name; the first two are always there."""
