"""Expert trajectories, in minibatches for behaviour cloning and adversarial imitation."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np

from stable_baselines_tf2 import logger
from stable_baselines_tf2.core.archive import bytes_to_arrays
from stable_baselines_tf2.core.optional import require

Batch = tuple[np.ndarray, np.ndarray]
KEYS = ("obs", "actions", "episode_returns", "episode_starts")
LARGEST = 2**30  # bytes that a file of expert data may always decompress to; observations compress well
BACKENDS = ("threading", "sequential", "multiprocessing", "loky")


class ExpertDataset:
    """Observations and actions of an expert, for `pretrain` and GAIL.

    The data are arrays with one row for each step, episode after episode: ``obs``, ``actions`` and ``episode_starts``
    (true at the first step of each episode); and ``episode_returns``, one for each episode. ``obs`` may be paths of
    images, which are then read when they are needed. `generate_expert_traj` writes such files.

    Nothing that a file holds is executed: arrays of objects are read only as far as they hold numbers and texts.

    Args:
        expert_path: an ``.npz`` file with the data.
        traj_data: the data themselves, by name; one of the two must be given.
        train_fraction: fraction of the steps in the training set; the others are for validation.
        batch_size: steps in a minibatch of behaviour cloning.
        traj_limitation: use only that many episodes; all if -1.
        randomize: shuffle the steps before each pass.
        verbose: 1 logs how much data there is.
        sequential_preprocessing: prepare each minibatch on demand, instead of ahead in a thread.

    Raises:
        ValueError: both sources are given or neither is, the data lack an array, are empty, contradict each other or
            are not finite, the file is damaged or holds forbidden objects, or an argument is invalid.
        FileNotFoundError: there is no such file.
    """

    EXCLUDED_KEYS = frozenset({"dataloader", "train_loader", "val_loader"})  # not pickled: they have threads

    def __init__(
        self,
        expert_path: str | os.PathLike | None = None,
        traj_data: Mapping[str, Any] | None = None,
        train_fraction: float = 0.7,
        batch_size: int = 64,
        traj_limitation: int = -1,
        randomize: bool = True,
        verbose: int = 1,
        sequential_preprocessing: bool = False,
    ) -> None:
        if (expert_path is None) == (traj_data is None):
            raise ValueError("exactly one of expert_path and traj_data must be given")
        if not 0.0 < train_fraction < 1.0:
            raise ValueError(f"train_fraction must be between 0 and 1, not {train_fraction!r}")
        if traj_limitation != -1 and traj_limitation < 1:
            raise ValueError(f"traj_limitation must be -1 or a number of episodes, not {traj_limitation!r}")
        source = "traj_data" if expert_path is None else os.fspath(expert_path)
        given: Mapping[str, Any] = _read_npz(expert_path) if expert_path is not None else dict(traj_data or {})
        data = _checked(given, source)

        starts = np.flatnonzero(data["episode_starts"])
        n_episodes = len(starts) if traj_limitation == -1 else min(traj_limitation, len(starts))
        end = len(data["obs"]) if n_episodes == len(starts) else starts[n_episodes]
        self.observations: np.ndarray = _flat(data["obs"][:end])
        self.actions: np.ndarray = _flat(data["actions"][:end])
        self.returns: np.ndarray = data["episode_returns"][:n_episodes]
        self.avg_ret, self.std_ret = np.mean(self.returns), np.std(self.returns)
        self.num_traj, self.num_transition = n_episodes, len(self.observations)
        self.verbose, self.randomize = verbose, randomize
        self.sequential_preprocessing = sequential_preprocessing

        rows = np.random.permutation(self.num_transition)
        n_train = int(train_fraction * len(rows))
        if not 0 < n_train < len(rows):
            raise ValueError(f"train_fraction={train_fraction} of {len(rows)} steps leaves one of the two sets empty")
        self.dataloader: DataLoader | None = None  # all data, for GAIL
        self.train_loader: DataLoader | None = self._loader(rows[:n_train], batch_size)
        self.val_loader: DataLoader | None = self._loader(rows[n_train:], batch_size)
        if verbose >= 1:
            self.log_info()

    def _loader(self, rows: np.ndarray, batch_size: int, seed: int | None = None) -> DataLoader:
        return DataLoader(
            rows,
            self.observations,
            self.actions,
            batch_size,
            shuffle=self.randomize,
            start_process=False,
            sequential=self.sequential_preprocessing,
            seed=seed,
        )

    def init_dataloader(self, batch_size: int, seed: int | None = None) -> None:
        """Prepares minibatches of all data, which ``get_next_batch()`` then gives.

        Args:
            batch_size: steps in a minibatch.
            seed: seed of their order; drawn from ``np.random`` if None.
        """
        order = np.random if seed is None else np.random.default_rng(seed)
        self.dataloader = self._loader(order.permutation(self.num_transition), batch_size, seed)

    def get_next_batch(self, split: str | None = None) -> Batch:
        """The next minibatch; after the last one of a pass, the first of the next.

        Args:
            split: ``"train"``, ``"val"``, or None for all data (after `init_dataloader`).

        Returns:
            Observations and actions, [B, …].

        Raises:
            ValueError: an unknown split, or one that is not available.
        """
        loaders = {None: self.dataloader, "train": self.train_loader, "val": self.val_loader}
        if split not in loaders:
            raise ValueError(f'split must be "train", "val" or None, not {split!r}')
        loader = loaders[split]
        if loader is None:
            raise ValueError("split: these data are not available before init_dataloader(), nor after unpickling")
        if loader.process is None:
            loader.start_process()
        try:
            return next(loader)
        except StopIteration:
            return next(iter(loader))

    def log_info(self) -> None:
        """Logs how much data there is."""
        logger.log(f"Expert data: {self.num_traj} episodes, {self.num_transition} steps")
        logger.log(f"Returns of the episodes: {self.avg_ret:.2f} +/- {self.std_ret:.2f}")

    def plot(self) -> None:
        """Shows a histogram of the episodes' returns.

        Raises:
            ImportError: matplotlib is not installed.
        """
        pyplot = require("matplotlib.pyplot", "plots")
        pyplot.hist(self.returns)
        pyplot.xlabel("return")
        pyplot.ylabel("episodes")
        pyplot.show()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self.EXCLUDED_KEYS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, dataloader=None, train_loader=None, val_loader=None)


class DataLoader:
    """Minibatches of an expert's observations and actions, pass after pass.

    Every pass gives `len` minibatches and then ends the iteration; the next one follows.

    Args:
        indices: the rows to use.
        observations: all observations, or paths of images.
        actions: all actions.
        batch_size: rows in a minibatch.
        n_workers: number of images that are read at the same time.
        infinite_loop: False: there is only one pass.
        max_queue_len: number of minibatches that are prepared ahead.
        shuffle: shuffle the rows before each pass.
        start_process: start to prepare minibatches ahead in the constructor; otherwise `start_process` does.
        backend: how several workers read images: ``"threading"`` or ``"multiprocessing"`` (also ``"loky"``);
            ``"sequential"`` reads one after the other.
        sequential: prepare each minibatch on demand, without a thread.
        partial_minibatch: end each pass with a smaller minibatch if the rows do not divide evenly.
        seed: seed of the shuffling; drawn from ``np.random`` if None.

    Raises:
        ValueError: an invalid argument.
    """

    def __init__(
        self,
        indices: np.ndarray,
        observations: np.ndarray,
        actions: np.ndarray,
        batch_size: int,
        n_workers: int = 1,
        infinite_loop: bool = True,
        max_queue_len: int = 1,
        shuffle: bool = False,
        start_process: bool = True,
        backend: str = "threading",
        sequential: bool = False,
        partial_minibatch: bool = True,
        *,
        seed: int | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("n_workers", n_workers), ("max_queue_len", max_queue_len)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        if backend not in BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, not {backend!r}")
        n_rows = len(indices)
        n_minibatches = -(-n_rows // batch_size) if partial_minibatch else n_rows // batch_size
        if not n_minibatches:
            raise ValueError(f"indices: {n_rows} rows make no minibatch of {batch_size}")
        generator = np.random.default_rng(np.random.randint(2**31) if seed is None else seed) if shuffle else None
        self.batch_size, self.n_workers, self.infinite_loop = batch_size, n_workers, infinite_loop
        self.shuffle, self.backend, self.sequential = shuffle, backend, sequential
        self.n_minibatches = n_minibatches
        self._minibatches = _Minibatches(indices, observations, actions, batch_size, n_minibatches, generator)
        self.load_images = self._minibatches.are_images
        self._pass: Iterator[Batch] | None = None  # the current one, where there is no thread
        self._queue: queue.Queue[Batch | BaseException | None] = queue.Queue(max_queue_len)
        self._stop = threading.Event()
        self._ended = False
        self._failure: BaseException | None = None  # of the thread
        self.process: threading.Thread | None = None  # prepares minibatches ahead; the original used a process
        if start_process:
            self.start_process()

    def start_process(self) -> None:
        """Starts to prepare minibatches ahead; does nothing if ``sequential``."""
        if self.sequential or self.process is not None:
            return
        # The thread must hold no reference to this object, whose deletion stops the thread.
        arguments = (self._minibatches, self._queue, self._stop, self.infinite_loop, self.n_workers, self.backend)
        self.process = threading.Thread(target=_prepare, args=arguments, daemon=True)
        self.process.start()

    def sequential_next(self) -> Batch:
        """The next minibatch, prepared now.

        Raises:
            StopIteration: the pass is over.
        """
        if self._ended:
            raise StopIteration
        if self._pass is None:
            self._pass = iter(self._minibatches)
        try:
            return next(self._pass)
        except StopIteration:
            self._pass, self._ended = None, not self.infinite_loop
            raise

    def __len__(self) -> int:
        return self.n_minibatches

    def __iter__(self) -> DataLoader:
        self._pass = None
        return self

    def __next__(self) -> Batch:
        if self.sequential:
            return self.sequential_next()
        if self.process is None:
            raise ValueError("start_process() must be called first")
        if self._failure is not None:
            raise self._failure
        if self._ended:
            raise StopIteration
        item = self._queue.get()
        if isinstance(item, tuple):
            return item
        if item is None:
            self._ended = not self.infinite_loop
            raise StopIteration
        self._failure = item
        raise item

    def __del__(self) -> None:
        if hasattr(self, "_stop"):
            self._stop.set()


class _Minibatches:
    """Minibatches of one pass after the other; each iteration is a pass."""

    def __init__(
        self,
        rows: np.ndarray,
        observations: np.ndarray,
        actions: np.ndarray,
        batch_size: int,
        n_minibatches: int,
        generator: np.random.Generator | None,
    ) -> None:
        self._rows, self._observations, self._actions = np.array(rows), observations, actions
        self.minibatch_size, self._n_minibatches, self._generator = batch_size, n_minibatches, generator
        self.are_images = isinstance(observations[0], str)
        self.map: Callable[..., Iterable[np.ndarray]] = map  # applies `read_image`

    def __iter__(self) -> Iterator[Batch]:
        if self._generator is not None:
            self._generator.shuffle(self._rows)
        for k in range(self._n_minibatches):
            rows = self._rows[k * self.minibatch_size : (k + 1) * self.minibatch_size]
            obs = self._observations[rows]
            if self.are_images:
                obs = np.stack(list(self.map(read_image, obs)))
            yield obs, self._actions[rows]


def _prepare(
    minibatches: _Minibatches,
    into: queue.Queue[Any],
    stop: threading.Event,
    infinite_loop: bool,
    n_workers: int,
    backend: str,
) -> None:
    """Fills a queue with minibatches, None at the end of each pass, and the exception where it fails."""

    def put(item: object) -> bool:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                into.put(item, timeout=0.1)
                return True
        return False

    try:
        with contextlib.ExitStack() as resources:
            if n_workers > 1 and backend != "sequential" and minibatches.are_images:
                kind: Callable[[int], Executor] = ThreadPoolExecutor if backend == "threading" else ProcessPoolExecutor
                minibatches.map = resources.enter_context(kind(n_workers)).map
            goes_on = True
            while goes_on:
                for batch in minibatches:
                    if not put(batch):
                        return
                goes_on = put(None) and infinite_loop
    except BaseException as error:  # raised again by `DataLoader.__next__`
        put(error)


def read_image(path: str) -> np.ndarray:
    """An image file as an array [height, width, channels], colours in the order red, green, blue.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an image.
        ImportError: OpenCV is not installed.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"the expert data name the image {path}, which does not exist")
    cv2: Any = require("cv2", "atari")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"the expert data name {path}, which is not an image")
    if image.ndim == 2:
        return image[:, :, np.newaxis]
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.shape[-1] == 3 else image


def _flat(array: np.ndarray) -> np.ndarray:
    """[N, …] to [N, n], the layout that scripts expect of an `ExpertDataset`."""
    return array.reshape(len(array), -1) if array.ndim > 2 else array


def _checked(data: Mapping[str, Any], source: str) -> dict[str, np.ndarray]:
    """The arrays that are used, after validation."""
    missing = [key for key in KEYS if key not in data]
    if missing:
        raise ValueError(f"{source} lacks {', '.join(missing)}; expert data are {', '.join(KEYS)}")
    arrays = {key: _plain(np.asarray(data[key]), f"{key} in {source}") for key in KEYS}
    arrays["episode_starts"] = arrays["episode_starts"].ravel().astype(bool)
    arrays["episode_returns"] = arrays["episode_returns"].ravel()
    lengths = {key: len(arrays[key]) for key in ("obs", "actions", "episode_starts")}
    if len(set(lengths.values())) != 1 or not lengths["obs"]:
        raise ValueError(
            f"{source} must hold the same number of rows of each kind, and at least one, but it has {lengths}"
        )
    if not arrays["episode_starts"][0]:
        raise ValueError(f"episode_starts in {source} must begin with the start of an episode")
    n_starts, n_returns = int(arrays["episode_starts"].sum()), len(arrays["episode_returns"])
    if not 0 < n_returns <= n_starts:
        raise ValueError(f"{source} holds {n_returns} episode_returns for {n_starts} episodes")
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise ValueError(f"{key} in {source} must be finite, but row {row} is {array[row]}")
    return arrays


def _plain(array: np.ndarray, what: str) -> np.ndarray:
    """An array of numbers or texts; one of objects is converted where each of them is that."""
    if array.dtype == object:  # the original writes them where flags and arrays of one flag are mixed
        try:
            items = [np.asarray(item) for item in array.ravel()]
            joined = np.array([item.ravel()[0] if item.size == 1 else item for item in items])
        except (ValueError, IndexError):
            joined = array
        array = joined
    if array.dtype.kind not in "biufU" or not array.ndim:
        raise ValueError(f"{what} must be an array of numbers (obs may be paths), not {array.dtype}{list(array.shape)}")
    return array


def _read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of an npz file that expert data consist of."""
    from stable_baselines_tf2.files.pickle_objects import loads

    path = os.fspath(path)
    if not os.path.exists(path) and os.path.exists(f"{path}.npz"):
        path = f"{path}.npz"
    with open(path, "rb") as file:
        try:
            return bytes_to_arrays(file, LARGEST, KEYS, loads)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
