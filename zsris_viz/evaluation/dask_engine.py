"""Evaluation on a Dask cluster: the workers compute the rows of images, and the calling process keeps them.

Every worker loads the models once, when it gets its first shard, and takes one shard at a time. A shard is a few
consecutive images. If a worker is lost, the scheduler gives its shard to another worker.
"""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError

if TYPE_CHECKING:
    from zsris_viz.evaluation.worker_spec import WorkerSpec

SCHEME = "dask://"
LOCAL = "local"
LARGEST_SHARD = 16  # images
IN_FLIGHT = 3  # shards for each worker that are handed out at a time: bounds what waits in memory
CONNECT = 15  # seconds to find the scheduler


class DaskEngine:
    """Connect to a Dask cluster.

    Use it as a context manager, or let `evaluate(engine="dask://...")` make one.

    Example::

        with DaskEngine("dask://local:2") as engine:
            print(engine.dashboard_link)
            evaluate("scenes", "global-local", limit=50, engine=engine)

    Args:
        address: "dask://HOST:PORT" for a running scheduler; "dask://local:N" for N new processes on this machine.
        shard: Number of images that a worker gets at a time; by default 1 to 16, so that each gets several shards.

    Attributes:
        client: The distributed.Client.
        dashboard_link: Address of Dask's page about the workers.

    Raises:
        InvalidInputError: An address of another form.
        UnavailableError: Dask is not installed, or no scheduler answers.
    """

    def __init__(self, address: str, *, shard: int | None = None) -> None:
        host, workers = read_address(address)
        if shard is not None and shard < 1:
            raise InvalidInputError(f"shard={shard} was given; a number of images from 1 up is accepted.")
        self.address, self.shard = address, shard
        self._cluster: Any = None
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise UnavailableError(
                f"engine={address!r} needs Dask, which is not installed: python -m pip install 'zsris-viz[cluster]'."
            ) from error
        if host is None:
            # A thread for each worker: the models are not for several at once.
            self._cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
            )
        try:
            self.client = Client(
                self._cluster if host is None else f"tcp://{host}", timeout=CONNECT, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise UnavailableError(
                f"No Dask scheduler answers at {host} ({error}). Start one with `dask scheduler`, and workers with "
                f"`dask worker tcp://{host} --nthreads 1`; or use dask://local:2 for processes on this machine."
            ) from error

    @property
    def dashboard_link(self) -> str:
        """Return the address of Dask's page about the workers."""
        return str(self.client.dashboard_link)

    def __enter__(self) -> DaskEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from the cluster, and shut it down if it was started by this engine."""
        self.client.close()
        if self._cluster is not None:
            self._cluster.close()

    def __repr__(self) -> str:
        return f"DaskEngine({self.address!r}): {len(self.client.scheduler_info(n_workers=-1)['workers'])} workers"

    def map(self, spec: WorkerSpec, missing: Sequence[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield (place, rows) of the images at the places `missing`, in the order in which they are finished.

        Raises:
            UnavailableError: The scheduler is gone, a shard has ended several workers, or a worker lacks a model.
        """
        from concurrent.futures import CancelledError

        from distributed import KilledWorker, as_completed
        from distributed.comm.core import CommClosedError
        from distributed.protocol.pickle import dumps

        from zsris_viz.evaluation.dask_worker import WorkerSpecPlugin

        workers = max(1, len(self.client.scheduler_info(n_workers=-1)["workers"]))
        size = self.shard or max(1, min(LARGEST_SHARD, len(missing) // (4 * workers)))
        waiting = deque(tuple(missing[first : first + size]) for first in range(0, len(missing), size))
        token = f"zsris-{uuid.uuid4().hex[:12]}"
        try:
            self.client.register_plugin(WorkerSpecPlugin(token, dumps(spec)), name=token)
            first = min(len(waiting), IN_FLIGHT * workers)
            started = [self._submit(token, waiting.popleft()) for _ in range(first)]
            ready: Any = as_completed(started, loop=self.client.loop)
            for future in ready:
                rows = future.result()
                future.release()
                if waiting:
                    ready.add(self._submit(token, waiting.popleft()))
                yield from rows
        except KilledWorker as error:
            raise UnavailableError(
                f"A shard of images has ended several workers ({error}). Give the workers more memory, or smaller "
                "shards: DaskEngine(address, shard=1). What is finished is kept where there is an output folder."
            ) from error
        except (CancelledError, CommClosedError, TimeoutError) as error:
            raise UnavailableError(
                f"The Dask scheduler of {self.address} is gone ({error or type(error).__name__}). Start the run again: "
                "with an output folder it goes on where it stopped."
            ) from error
        finally:
            self._forget(token)

    def _submit(self, token: str, places: tuple[int, ...]) -> Any:
        from zsris_viz.evaluation.dask_worker import run_shard

        return self.client.submit(run_shard, token, places, key=f"{token}-{places[0]}", pure=False)

    def _forget(self, token: str) -> None:
        """Cancel the shards that are still running, and let the workers release their models."""
        if self.client.status == "running":
            self.client.cancel([key for key in self.client.futures if str(key).startswith(token)], force=True)
            self.client.unregister_worker_plugin(token)


def read_address(address: str) -> tuple[str | None, int | None]:
    """Read the address of a cluster.

    Returns:
        ("HOST:PORT", None), or (None, number of processes), where None stands for one process for each core.

    Raises:
        InvalidInputError: Neither "dask://HOST:PORT" nor "dask://local:N".
    """
    if not isinstance(address, str):
        raise InvalidTypeError(f"engine is {type(address).__name__}; give a text such as 'dask://local:2'.")
    host, _, port = address.removeprefix(SCHEME).partition(":")
    local = host == LOCAL and (not port or (port.isdigit() and int(port) > 0))
    if not address.startswith(SCHEME) or not host or not (local or (host != LOCAL and port.isdigit())):
        raise InvalidInputError(
            f"engine={address!r} is unknown; use dask://HOST:PORT for a running Dask scheduler, dask://local:N for N "
            "processes on this machine, or leave it out to stay in this process."
        )
    return (None, int(port) if port else os.cpu_count()) if local else (f"{host}:{port}", None)
