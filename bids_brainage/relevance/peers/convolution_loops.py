"""Compiled loops of convolutions of any stride, one volume at a time, in one thread."""

from __future__ import annotations

from bids_brainage.compiling import compiled


@compiled
def convolve(x, kernel, strides, pads, out):  # type: ignore[no-untyped-def]
    """Add the convolution of `x` to `out`.

    Parameters
    ----------
    x : array (d, h, w, channels in)
    kernel : array (kd, kh, kw, channels in, channels out)
    strides, pads : tuple of three int
        Distance of patches, and how many zeros stand before `x`, along each axis.
    out : array (d', h', w', channels out)
    """
    for p in range(out.shape[0]):
        for q in range(out.shape[1]):
            for a in range(kernel.shape[0]):
                d = p * strides[0] - pads[0] + a
                if not 0 <= d < x.shape[0]:
                    continue
                for b in range(kernel.shape[1]):
                    h = q * strides[1] - pads[1] + b
                    if 0 <= h < x.shape[1]:
                        _convolve_row(x[d, h], kernel[a, b], strides[2], pads[2], out[p, q])


@compiled
def _convolve_row(x, kernel, stride, pad, out):  # type: ignore[no-untyped-def]
    for r in range(out.shape[0]):
        into = out[r]
        for e in range(kernel.shape[0]):
            w = r * stride - pad + e
            if 0 <= w < x.shape[0]:
                for i in range(kernel.shape[1]):
                    weights, value = kernel[e, i], x[w, i]
                    for o in range(into.size):
                        into[o] += value * weights[o]


@compiled
def scatter(shares, strides, pads, p, out):  # type: ignore[no-untyped-def]
    """Add to `out` what the outputs of a plane hand back.

    Parameters
    ----------
    shares : array (h', w', kd, kh, kw, channels in)
        For each output of the plane, what each place that it sees receives of it.
    strides, pads : tuple of three int
        As for `convolve`.
    p : int
        Which plane it is.
    out : array (d, h, w, channels in)
    """
    for q in range(shares.shape[0]):
        for r in range(shares.shape[1]):
            for a in range(shares.shape[2]):
                d = p * strides[0] - pads[0] + a
                if not 0 <= d < out.shape[0]:
                    continue
                for b in range(shares.shape[3]):
                    h = q * strides[1] - pads[1] + b
                    if 0 <= h < out.shape[1]:
                        _scatter_row(shares[q, r, a, b], r * strides[2] - pads[2], out[d, h])


@compiled
def _scatter_row(shares, start, out):  # type: ignore[no-untyped-def]
    for e in range(max(0, -start), min(shares.shape[0], out.shape[0] - start)):
        for i in range(shares.shape[1]):
            out[start + e, i] += shares[e, i]
