"""A stand-in for an accelerator that has no float64, such as MPS: CPU tensors that state another device.

Every operation on them is carried out on the CPU and checked: an operation that would make a float64 tensor on the
accelerator fails, and so does one that mixes it with tensors of the CPU.
"""

from typing import Any

import torch
from torch.utils._pytree import tree_map

DEVICE = torch.device("meta")
"""The only device besides the CPU whose bookkeeping every build of torch carries."""


class AcceleratorTensor(torch.Tensor):
    """A tensor on the stand-in."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "AcceleratorTensor":
        if held.dtype == torch.float64:
            raise TypeError("float64 on an accelerator that has none")
        tensor = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=DEVICE, requires_grad=False
        )
        tensor.held = held
        return tensor

    def __repr__(self) -> str:  # type: ignore[override]
        return f"AcceleratorTensor({self.held})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        target = kwargs.get("device")
        if func is torch.ops.aten._to_copy.default and target is not None and torch.device(target).type == "cpu":
            if kwargs.get("dtype") == torch.float64:
                raise TypeError("the cast to float64 would run on the accelerator: change the device first")
            return func(args[0].held, **kwargs)
        if target is not None:
            kwargs["device"] = torch.device("cpu")

        def unwrap(value: Any) -> Any:
            if isinstance(value, AcceleratorTensor):
                return value.held
            if isinstance(value, torch.Tensor) and value.ndim > 0:
                raise TypeError("an operation mixes tensors of the accelerator and of the CPU")
            return value

        result = func(*tree_map(unwrap, args), **tree_map(unwrap, kwargs))
        return tree_map(lambda value: cls(value) if isinstance(value, torch.Tensor) else value, result)


class ToAccelerator(torch.utils._python_dispatch.TorchDispatchMode):
    """While it is on, copies of CPU tensors to the stand-in's device are made, in at most float32."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        target = kwargs.get("device")
        if (
            func is torch.ops.aten._to_copy.default
            and target is not None
            and torch.device(target).type == DEVICE.type
            and not isinstance(args[0], AcceleratorTensor)
        ):
            kwargs["device"] = torch.device("cpu")
            source = args[0]
            if source.dtype == torch.float64:
                raise TypeError("float64 is sent to an accelerator that has none: change the precision first")
            return AcceleratorTensor(func(source, **kwargs))
        return func(*args, **kwargs)
