"""K-means: the centroids of a generation, from a sample of rows.

Source: Lloyd 1982; on the sphere, Dhillon and Modha 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from vstore.packages import faiss_module

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.approximate.gpu import Gpu

    Floats = npt.NDArray[np.float32]

ITERATIONS = 10
_SEED = 1


def train(sample: Floats, lists: int, done: Callable[[], None], gpu: Gpu | None = None) -> Floats:
    """Find centroids.

    sample:  float32 (n, dim), rotated rows of norm 1, at least as many as lists.
    done:    is called after each of the ITERATIONS; it may raise.
    gpu:     compares the rows with the centroids.
    Returns: float32 (lists, dim), of norm 1.
    """
    import numpy as np

    faiss = faiss_module()
    chosen = np.random.default_rng(_SEED).permutation(len(sample))[:lists]
    centroids: Floats = np.ascontiguousarray(sample[np.sort(chosen)])
    for _ in range(ITERATIONS):
        # One iteration at a time, so that a run can be stopped between two.
        step: Any = faiss.Kmeans(
            sample.shape[1], lists, niter=1, spherical=True, seed=_SEED, max_points_per_centroid=len(sample),
            min_points_per_centroid=1,
        )  # fmt: skip
        if gpu is None or gpu.tried(partial(_train, step, sample, centroids, gpu)) is None:
            step.set_index()
            step.train(sample, init_centroids=centroids)
        centroids = np.asarray(step.centroids, np.float32).reshape(lists, -1)
        done()
    norms = np.linalg.norm(centroids, axis=1, keepdims=True)
    is_lost = ~(norms[:, 0] > 0)  # no row was nearest to it
    centroids = np.where(is_lost[:, None], sample[np.sort(chosen)], centroids / np.where(norms > 0, norms, 1))
    return np.ascontiguousarray(centroids, np.float32)


def _train(step: Any, sample: Floats, centroids: Floats, gpu: Gpu) -> Any:
    step.index = gpu.flat(sample.shape[1])
    return step.train(sample, init_centroids=centroids)
