"""Compiled loops of any convolution and its transpose, one volume at a time, in one thread."""

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
def spread(s, kernel, strides, pads, out):  # type: ignore[no-untyped-def]
    """Add the transposed convolution of `s` to `out`.

    Parameters
    ----------
    s : array (d', h', w', channels out)
    kernel : array (kd, kh, kw, channels out, channels in)
        That of the convolution, its last two axes exchanged.
    strides, pads : tuple of three int
        As for `convolve`.
    out : array (d, h, w, channels in)
    """
    for p in range(s.shape[0]):
        for q in range(s.shape[1]):
            for a in range(kernel.shape[0]):
                d = p * strides[0] - pads[0] + a
                if not 0 <= d < out.shape[0]:
                    continue
                for b in range(kernel.shape[1]):
                    h = q * strides[1] - pads[1] + b
                    if 0 <= h < out.shape[1]:
                        _spread_row(s[p, q], kernel[a, b], strides[2], pads[2], out[d, h])


@compiled
def _spread_row(s, kernel, stride, pad, out):  # type: ignore[no-untyped-def]
    for r in range(s.shape[0]):
        for e in range(kernel.shape[0]):
            w = r * stride - pad + e
            if 0 <= w < out.shape[0]:
                into = out[w]
                for o in range(kernel.shape[1]):
                    weights, value = kernel[e, o], s[r, o]
                    for i in range(into.size):
                        into[i] += value * weights[i]
