"""A batch divided among processes of one machine, one device each.

Process 0 owns the training: weights, optimizer, schedule, checkpoints, validation. At every step it sends the weights;
every process differentiates its part of the batch, and process 0 adds the gradients up, in the order of the parts:

    gradient = sum over parts of (images of the part / images of the batch) * gradient of the part's loss

which is that of the whole batch, for a loss that is a mean over the images. The others keep nothing from one step to
the next, so a checkpoint is that of one process, and the number of processes may change where a run continues.

`DistributedDataParallel` sums within the backward pass: a solve that fails on one device would leave the others waiting
there, and a batch could not be left out. It keeps an optimizer in every process besides. Tensors travel by
`torch.distributed` (gloo) over the loopback interface. All of them are those of the network, a megabyte or so at a step
of a second: how fast does not matter here.
"""

import json
import os
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from difftv.lab.data import Batch, TrainingPatches
from difftv.lab.training.gradient import Differentiated, Gradient, LocalGradient

_END, _STEP = 0, 1

_LONGEST = timedelta(days=365)
"""Process 0 validates for as long as it takes; a process that ends closes its connections, which ends every wait."""


def join_group(store: "dist.Store", rank: int, parts: int) -> None:
    """Make this process one of the group, once all of them are there."""
    # Nothing listens on the network: all processes are on this machine.
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    if loopback is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=parts, timeout=_LONGEST)


class SharedGradient(Gradient):
    """The gradient of a batch, of which every process of the group takes a part; for process 0.

    Args:
        local: gradient of this process's part.
        parts: processes of the group.
    """

    def __init__(self, local: LocalGradient, parts: int) -> None:
        self.local = local
        self.parts = parts
        self._weights = [*local.setup.denoiser.predictor.parameters()]
        # A wait in a thread can be interrupted by Ctrl-C; one for a message of gloo in this thread could not.
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="gradients")

    def __call__(self, batch: Batch, place: tuple[int, int]) -> Differentiated:
        self._call(_STEP, *place)
        found = self.local(batch, place)
        gradient = _flat_gradient(self._weights) * (len(batch.noisy) / batch.images)
        for other, theirs in self._waiting.submit(self._received, gradient).result():
            found.join(other)
            gradient += theirs
        if found.usable:
            _set_gradient(self._weights, gradient)
        return found

    def end(self) -> None:
        """Send the other processes home."""
        self._call(_END, 0, 0)

    def _call(self, *order: int) -> None:
        self._waiting.submit(self._send, order).result()

    def _send(self, order: tuple[int, ...]) -> None:
        dist.broadcast(torch.tensor(order, device="cpu"), 0)
        if order[0] == _STEP:
            dist.broadcast(flat(self._weights), 0)

    def _received(self, like: Tensor) -> list[tuple[Differentiated, Tensor]]:
        found = []
        for rank in range(1, self.parts):
            length = torch.empty(1, dtype=torch.int64, device="cpu")
            dist.recv(length, rank)
            text = torch.empty(int(length), dtype=torch.uint8, device="cpu")
            dist.recv(text, rank)
            gradient = torch.empty_like(like)
            dist.recv(gradient, rank)
            found.append((Differentiated.from_container(json.loads(text.numpy().tobytes())), gradient))
        return found


def follow(local: LocalGradient, patches: TrainingPatches, rank: int, parts: int) -> None:
    """Differentiate one part of every batch that process 0 asks for, until it says that it was the last.

    Args:
        local: gradient of this process's part.
        patches: the training patches of the run.
        rank: number of this process, > 0.
        parts: processes of the group.
    """
    predictor = local.setup.denoiser.predictor
    weights = [*predictor.parameters()]
    predictor.train()
    order = torch.empty(3, dtype=torch.int64, device="cpu")
    received = torch.empty_like(flat(weights))
    while True:
        dist.broadcast(order, 0)
        command, epoch, step = order.tolist()
        if command == _END:
            return
        dist.broadcast(received, 0)
        _set(weights, received)
        batch = patches.part(epoch, local.options.batch_size, step, rank, parts)
        if batch is None:
            found, gradient = Differentiated(), torch.zeros_like(received)
        else:
            found = local(batch.to(local.setup.device), (epoch, step))
            gradient = _flat_gradient(weights) * (len(batch.noisy) / batch.images)
        text = torch.tensor([*json.dumps(found.to_container()).encode()], dtype=torch.uint8, device="cpu")
        dist.send(torch.tensor([len(text)], device="cpu"), 0)
        dist.send(text, 0)
        dist.send(gradient, 0)


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All numbers of the tensors, on the CPU, without gradient: (numbers,)."""
    return torch.cat([tensor.detach().cpu().reshape(-1) for tensor in tensors])


def _flat_gradient(weights: Iterable[nn.Parameter]) -> Tensor:
    return flat(torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights)


@torch.no_grad()
def _set(tensors: Sequence[Tensor], numbers: Tensor) -> None:
    for tensor, part in zip(tensors, _parts_like(tensors, numbers), strict=True):
        tensor.copy_(part)


def _set_gradient(weights: Sequence[nn.Parameter], numbers: Tensor) -> None:
    """A weight that the loss does not depend on keeps its None, which optimizers pass over."""
    for weight, part in zip(weights, _parts_like(weights, numbers), strict=True):
        if weight.grad is not None:
            weight.grad.copy_(part)


def _parts_like(tensors: Sequence[Tensor], numbers: Tensor) -> list[Tensor]:
    """The numbers in the shapes of the tensors: the inverse of `flat`."""
    parts = numbers.split([each.numel() for each in tensors])
    return [part.view_as(each) for part, each in zip(parts, tensors, strict=True)]
