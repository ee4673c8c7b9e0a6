"""A kernel manager for Voila that starts the kernel of the first page before a browser opens it."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager


class EarlyKernelManager(AsyncMappingKernelManager):
    """Start one kernel ahead of the first page; every further page starts its own.

    Voila's option `preheat_kernel` runs the notebook in a pool of kernels as soon as the server starts, and fills the
    pool again when a page was opened. Each kernel has a model in memory, so the pool is not filled again here.
    """

    kernel_pools_config: Any

    async def start_kernel(self, **options: Any) -> str:  # type: ignore[override]
        """Start a kernel, and let Voila keep no further one in its pool."""
        self.kernel_pools_config = {"default": {"pool_size": 0}}
        return str(await super().start_kernel(**options))
