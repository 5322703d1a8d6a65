"""A graphics card that is none: tensors with values that refuse to meet those of the host.

There is no graphics card where the tests run, and torch's own fake tensors have no values, so that
nothing that reads one can be followed. Here a tensor says that it is on another device while its
values lie on the host. Whatever would fail on a real device fails here, and what is copied between
the two is listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

if TYPE_CHECKING:
    from collections.abc import Sequence

DEVICE = torch.device("meta")
"""What the tensors say; the only one besides the CPU for which torch needs no driver."""
_HOST = torch.device("cpu")
_aten = torch.ops.aten
# On a real device these wait for it, to know how large the result is.
_SIZES_DEPEND_ON_VALUES = (_aten.nonzero.default, _aten.masked_select.default)


class PretendTensor(Tensor):
    """A tensor that says it is on the device."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> PretendTensor:
        tensor = Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )
        tensor.values = values
        return tensor

    def tolist(self) -> Any:
        """What torch refuses to do for a kind of tensor that it does not know."""
        return self.cpu().tolist()

    def new_tensor(self, data: Any) -> Tensor:
        """Numbers of the host, copied; torch itself would make a tensor without values."""
        return torch.tensor(data, dtype=self.dtype).to(DEVICE)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} outside of the pretence")


class PretendDevice(TorchDispatchMode):
    """While it is entered, tensors can be moved to `DEVICE`.

    Attributes
    ----------
    copies : list of str
        What went from one device to the other, in the order of time: "to device", "to host", or the
        name of an operation that makes the host wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = any(isinstance(tensor, PretendTensor) for tensor in tensors)
        lost = [t for t in tensors if t.device == DEVICE and not isinstance(t, PretendTensor)]
        assert not lost, f"{func}: made on the device from values of the host"
        goal = kwargs.get("device") or (DEVICE if there else _HOST)
        if func is _aten.copy_.default:
            goal = args[0].device
            self._note(args[1].device, goal)
        elif func is _aten._to_copy.default:
            self._note(args[0].device, goal)
        elif func is _aten._local_scalar_dense.default:
            self._note(args[0].device, _HOST)
        elif there:
            self._refuse_mixed(func, tensors)
            self._note_waiting(func, args)
        generator = kwargs.get("generator")
        assert generator is None or generator.device == goal, f"{func}: generator elsewhere"

        if kwargs.get("device") == DEVICE:
            kwargs["device"] = _HOST
        bare = tree_map_only(PretendTensor, lambda tensor: tensor.values, (args, kwargs))
        result = func(*bare[0], **bare[1])
        returned = func._schema.returns
        if returned and returned[0].alias_info is not None and returned[0].alias_info.is_write:
            return args[0]  # changed in place
        if goal == _HOST:
            return result
        return tree_map_only(Tensor, PretendTensor, result)

    def _note(self, start: torch.device, goal: torch.device) -> None:
        if start != goal:
            self.copies.append("to device" if goal == DEVICE else "to host")

    def _refuse_mixed(self, func: Any, tensors: Sequence[Tensor]) -> None:
        # A single number of the host may take part anywhere.
        here = [t for t in tensors if not isinstance(t, PretendTensor) and t.ndim]
        if here:
            shapes = [(tuple(tensor.shape), str(tensor.device)) for tensor in tensors]
            raise RuntimeError(f"{func}: tensors on different devices: {shapes}")

    def _note_waiting(self, func: Any, args: Sequence[Any]) -> None:
        masks = func in (_aten.index.Tensor, _aten.index_put_.default) and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if masks or func in _SIZES_DEPEND_ON_VALUES:
            self.copies.append(str(func))
