"""How many threads TensorFlow takes; by itself it takes all processors, in each of n workers."""

from __future__ import annotations


def limit_threads(threads: int = 1) -> None:
    """Let TensorFlow use so many threads in this process; the last bits of a sum may depend on their number.

    Called in every process that trains, before TensorFlow does its first work; a second call with the same
    number does nothing, one with another is a RuntimeError.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # It fails on the graph of a training step, and warns each time.
    tf.config.optimizer.set_experimental_options({"remapping": False})
