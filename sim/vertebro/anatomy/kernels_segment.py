"""Kernel of the built-in segmentation: how much a CT looks like a template at a pose."""

import numpy as np

from vertebro._jit import kernel


@kernel(nogil=True)
def match_template(image, inside, points, look, weight, matrix, shift, step):
    """Weighted correlation of an image with wanted values at moved points, and the share of weight in the image.

    image : (n, m, l) float32; inside : same shape, bool, which voxels count. points : (k, 3); every `step`-th is used;
    its fractional voxel index is ``matrix @ point + shift``. look, weight : (k,). Trilinear between voxel centres.
    Returns (correlation, share); a flat image has correlation 0.
    """
    total = seen = sx = sy = sxx = syy = sxy = 0.0
    for p in range(0, points.shape[0], step):
        total += weight[p]
        x = matrix[0, 0] * points[p, 0] + matrix[0, 1] * points[p, 1] + matrix[0, 2] * points[p, 2] + shift[0]
        y = matrix[1, 0] * points[p, 0] + matrix[1, 1] * points[p, 1] + matrix[1, 2] * points[p, 2] + shift[1]
        z = matrix[2, 0] * points[p, 0] + matrix[2, 1] * points[p, 1] + matrix[2, 2] * points[p, 2] + shift[2]
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        if i < 0 or j < 0 or k < 0 or i + 1 >= image.shape[0] or j + 1 >= image.shape[1] or k + 1 >= image.shape[2]:
            continue
        fx, fy, fz = x - i, y - j, z - k
        if not inside[i + (fx > 0.5), j + (fy > 0.5), k + (fz > 0.5)]:
            continue
        low = (image[i, j, k] * (1 - fx) + image[i + 1, j, k] * fx) * (1 - fy)
        low += (image[i, j + 1, k] * (1 - fx) + image[i + 1, j + 1, k] * fx) * fy
        high = (image[i, j, k + 1] * (1 - fx) + image[i + 1, j, k + 1] * fx) * (1 - fy)
        high += (image[i, j + 1, k + 1] * (1 - fx) + image[i + 1, j + 1, k + 1] * fx) * fy
        value = low * (1 - fz) + high * fz
        w = weight[p]
        seen += w
        sx += w * value
        sy += w * look[p]
        sxx += w * value * value
        syy += w * look[p] * look[p]
        sxy += w * value * look[p]
    if seen <= 0.0 or total <= 0.0:
        return 0.0, 0.0
    var = (sxx - sx * sx / seen) * (syy - sy * sy / seen)
    if var <= 1e-12 * sxx * syy:
        return 0.0, seen / total
    return (sxy - sx * sy / seen) / np.sqrt(var), seen / total
