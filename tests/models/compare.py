"""Compares what two runtimes answered, and judges whether the answers prove anything.

Integers, booleans and strings have to be the same, floats within RTOL of the expected element, or within ATOL of
the largest element of the output where an element is near zero (a convolution's sum of thousands of terms that
cancel has no better relative error).
"""

import numpy as np

RTOL, ATOL = 1e-3, 1e-5
STEPPED = 0.05  # of the root mean square of an answer


class Difference(Exception):
    """Where two answers differ."""


class Tally:
    """What was compared: elements, the worst error as a part of what is allowed, how many needed ATOL."""

    def __init__(self):
        self.elements = self.near_zero = 0
        self.worst = 0.0
        self.stepped = 0  # answers that met neither of onnxruntime's two but were near enough

    def add(self, expected, actual, where):
        if isinstance(expected, (list, tuple)):
            if not isinstance(actual, (list, tuple)) or len(expected) != len(actual):
                raise Difference(f"{where}: a sequence of {len(expected)} was expected")
            for i, (e, a) in enumerate(zip(expected, actual)):
                self.add(e, a, f"{where}[{i}]")
        elif isinstance(expected, dict):
            if not isinstance(actual, dict) or list(expected) != list(actual):
                raise Difference(f"{where}: the keys {list(expected)} were expected")
            if all(isinstance(value, float) for value in expected.values()):
                # The values of a row belong together: one near zero is judged beside the others.
                self.arrays(*(np.array([answer[key] for key in expected], np.float32) for answer in (expected, actual)),
                            where)
                return
            for key, value in expected.items():
                self.add(value, actual[key], f"{where}[{key!r}]")
        elif isinstance(expected, float):
            self.arrays(np.float32(expected), np.float32(actual), where)
        else:
            self.arrays(np.asarray(expected), np.asarray(actual), where)

    def join(self, other):
        self.elements += other.elements
        self.near_zero += other.near_zero
        self.worst = max(self.worst, other.worst)

    def arrays(self, expected, actual, where):
        if expected.dtype != actual.dtype and not {expected.dtype.kind, actual.dtype.kind} <= set("OUST"):
            raise Difference(f"{where}: {expected.dtype} was expected, {actual.dtype} came")
        if expected.shape != actual.shape:
            raise Difference(f"{where}: shape {expected.shape} was expected, {actual.shape} came")
        self.elements += expected.size
        if not expected.size:
            return
        if expected.dtype.kind not in "fc":
            wrong = int((expected != actual).sum())
            if wrong:
                raise Difference(f"{where}: {wrong} of {expected.size} elements differ")
            return
        if not (np.isfinite(expected) == np.isfinite(actual)).all():
            raise Difference(f"{where}: infinities or NaN where numbers were expected, or the other way")
        finite = np.isfinite(expected)
        if not (np.array_equal(expected[~finite], actual[~finite], equal_nan=True)):
            raise Difference(f"{where}: other infinities or NaN")
        e, a = expected[finite].astype(np.float64), actual[finite].astype(np.float64)
        if not e.size:
            return
        allowed = RTOL * np.abs(e) + ATOL * np.abs(e).max()
        error = np.abs(e - a)
        part = error / np.maximum(allowed, np.finfo(np.float64).tiny)
        self.near_zero += int((error > RTOL * np.abs(e)).sum())
        self.worst = max(self.worst, float(part.max()))
        if part.max() > 1:
            at = int(part.argmax())
            raise Difference(f"{where}: {int((part > 1).sum())} of {e.size} elements differ, the worst is {a[at]:.6g}"
                             f" where {e[at]:.6g} was expected ({part.max():.3g} times the allowed error)")


def compare_answer(tally, expected, actual):
    if list(expected.outputs) != list(actual.outputs):
        raise Difference(f"{expected.label}: the outputs {list(expected.outputs)} were expected")
    for name, value in expected.outputs.items():
        tally.add(value, actual.outputs[name], f"{expected.label}: {name}")
    if expected.says != actual.says:
        raise Difference(f"{expected.label}: says {actual.says!r} where {expected.says!r} was expected")


def distance(one, other):
    """The root mean square of the differences of two answers, as a part of that of the first; infinite where
    shapes or integers differ."""
    worst = 0.0
    for name, value in one.outputs.items():
        e, a = np.asarray(value), np.asarray(other.outputs.get(name))
        if e.shape != a.shape or e.dtype != a.dtype:
            return np.inf
        if e.dtype.kind != "f":
            worst = max(worst, 0.0 if np.array_equal(e, a) else np.inf)
            continue
        e, a = e.astype(np.float64), a.astype(np.float64)
        norm = np.sqrt((e ** 2).mean()) if e.size else 0.0
        worst = max(worst, float(np.sqrt(((e - a) ** 2).mean()) / norm) if norm else float((e != a).any()))
    return worst


def meets(tally, expected, actual):
    """None, or the difference."""
    attempt = Tally()
    try:
        compare_answer(attempt, expected, actual)
    except Difference as difference:
        return difference
    tally.join(attempt)
    return None


def compare(expected, actual, plain=None, moved=None):
    """The tally of two lists of answers; raises Difference.

    A model that rounds to a few steps on its way has further answers of onnxruntime: `plain` computed without
    optimization, and `moved`, a list for each of the two, from inputs (weights, where the inputs are integers) moved in
    their last bits, at random. A sum that lies at
    the edge between two steps falls to either side by the order of its terms, and all that follows moves with it:
    so these answers differ. One of the two to the same inputs has to be met, or else the answer may be twice as far
    from it as it moves itself, and at most STEPPED.
    """
    if len(expected) != len(actual):
        raise Difference(f"{len(actual)} answers came where {len(expected)} were expected")
    tally = Tally()
    for place, answer in enumerate(actual):
        choices = [expected[place]] + ([plain[place]] if plain else [])
        difference = first = meets(tally, choices[0], answer)
        if difference and plain:
            difference = meets(tally, choices[1], answer)
        if not difference:
            continue
        if not plain:
            raise first
        away = [distance(choice, answer) for choice in choices]
        apart = [2 * (distance(choice, other[place]) or distance(*choices)) for choice, other in zip(choices, moved)]
        if not any(far <= min(limit, STEPPED) for far, limit in zip(away, apart)):
            raise Difference(f"{first}; {away[0]:.2g} and {away[1]:.2g} from onnxruntime's two answers, where "
                             f"{apart[0]:.2g} and {apart[1]:.2g} are allowed")
        tally.stepped += 1
    return tally


def numbers(value):
    """All numbers of an output as one array, rows first."""
    if isinstance(value, (list, tuple)):
        return np.array([list(item.values()) if isinstance(item, dict) else item for item in value], np.float64)
    array = np.asarray(value)
    return array if array.dtype.kind in "biuf" else np.unique(array, return_inverse=True)[1].reshape(array.shape)


def alive(answers):
    """The share of all elements that is above a thousandth of its output's largest; raises Difference where an
    output is the same whatever goes in, which proves nothing."""
    by_name = {}
    for answer in answers:
        for name, value in answer.outputs.items():
            by_name.setdefault(name, []).append(numbers(value))
    total = counted = 0
    for name, values in by_name.items():
        varied = False
        seen = {}
        for value in values:
            seen.setdefault(value.shape, []).append(value)
            if value.ndim > 1 and value.shape[0] > 1:
                varied = varied or not (value == value[:1]).all()
        if not any(len(group) > 1 for group in seen.values()) and all(len(v) < 2 for v in values if v.ndim > 1):
            varied = True  # no two answers have one shape
        varied = varied or any(not np.array_equal(group[0], other) for group in seen.values() for other in group[1:])
        everything = np.concatenate([value.reshape(-1).astype(np.float64) for value in values])
        if not everything.size or not varied or everything.max() == everything.min():
            raise Difference(f"{name} is the same for every input: the test proves nothing")
        peak = np.abs(everything[np.isfinite(everything)]).max()
        counted += int((np.abs(everything) > peak / 1000).sum())
        total += everything.size
    return counted / total
