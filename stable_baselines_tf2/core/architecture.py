"""The layers of dense and recurrent networks, by name and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stable_baselines_tf2.core.checks import layer_size, warn_caller


class Stage(NamedTuple):
    """One layer of a dense network, by name: a ``linear`` layer with its activation, or an ``lstm``."""

    name: str
    size: int
    recurrent: bool = False


class DenseArchitecture(NamedTuple):
    """A network of linear layers: shared ones (an LSTM may be among them), then a branch for policy and value each."""

    shared: list[Stage]
    policy: list[Stage]
    value: list[Stage]


def parse_net_arch(net_arch: Sequence[Any] | None, n_lstm: int | None = None) -> DenseArchitecture:
    """Names and sizes of the layers that a ``net_arch`` describes.

    Args:
        net_arch: sizes of shared layers (and ``"lstm"`` where there is one), then optionally a dictionary with the
            sizes of the branches ``pi`` and ``vf``.
        n_lstm: size of the LSTM; None where none is allowed.

    Raises:
        ValueError: a part that is not a size, a misplaced dictionary or LSTM, or a wrong number of LSTMs.
    """
    if isinstance(net_arch, str | bytes) or not isinstance(net_arch, Sequence):
        raise ValueError(f"net_arch must be a list of layer sizes and a dictionary, not {net_arch!r}")
    shared: list[Stage] = []
    branches: dict[str, list[Stage]] = {"pi": [], "vf": []}
    for position, part in enumerate(net_arch):
        if isinstance(part, dict):
            if rest := list(net_arch[position + 1 :]):
                warn_caller(f"net_arch={net_arch!r}: what comes after the dictionary, {rest!r}, has no effect")
            if unknown := sorted(set(part) - set(branches)):
                warn_caller(f"net_arch={net_arch!r}: only 'pi' and 'vf' in the dictionary count, not {unknown}")
            for branch, sizes in part.items():
                if branch in unknown:
                    continue
                if not isinstance(sizes, Sequence) or isinstance(sizes, str):
                    raise ValueError(f"net_arch[-1][{branch!r}] must be a list of layer sizes, not {sizes!r}")
                branches[branch] = [
                    Stage(f"{branch}_fc{i}", layer_size("net_arch", size)) for i, size in enumerate(sizes)
                ]
            break
        elif part == "lstm" and n_lstm is not None:
            shared.append(Stage("lstm1", n_lstm, recurrent=True))
        else:
            shared.append(Stage(f"shared_fc{position}", layer_size("net_arch", part)))
    n_lstms = sum(stage.recurrent for stage in shared)
    if n_lstm is not None and n_lstms != 1:
        raise ValueError(f"net_arch must contain 'lstm' exactly once, not {n_lstms} times: {net_arch!r}")
    return DenseArchitecture(shared, branches["pi"], branches["vf"])
