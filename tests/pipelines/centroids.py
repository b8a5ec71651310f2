"""A model that is trained at once: the nearest centre of the rows of each class."""

import numpy as np


def _points(rows):
    return np.column_stack([np.nan_to_num(rows[name].to_numpy(zero_copy_only=False)) for name in ("x", "y")])


def train(rows, columns, seed):
    points, label = _points(rows), np.array(rows["label"].to_pylist())
    classes = np.unique(label)
    centres = np.array([points[label == name].mean(axis=0) for name in classes])

    def answer(rows):
        distance = ((_points(rows)[:, None] - centres) ** 2).sum(axis=2)
        chance = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / 2)
        chance /= chance.sum(axis=1, keepdims=True)
        return classes[chance.argmax(axis=1)], chance.max(axis=1)

    return answer
