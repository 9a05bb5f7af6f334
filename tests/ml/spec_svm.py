"""SVMClassifier and SVMRegressor. The specification hardly describes their attributes: they are libsvm's model,
and libsvm (by scikit-learn) decides what they mean."""

import numpy as np
from scipy.special import expit

from tests.ml.spec_links import as_rows, labels_of, transformed


def list64(values):
    return np.array(values, dtype=np.float32).astype(np.float64)


def kernel(x, vectors, kernel_type, kernel_params):
    """K(x, v) for a row x and every support vector."""
    gamma, coef0, degree = list64(kernel_params or [0, 0, 0])
    if kernel_type == "RBF":
        return np.exp(-gamma * ((x - vectors) ** 2).sum(axis=1))
    product = vectors @ x
    if kernel_type == "POLY":
        return (gamma * product + coef0) ** degree
    return np.tanh(gamma * product + coef0) if kernel_type == "SIGMOID" else product


def svm_regressor(x, version, coefficients, rho, support_vectors=None, n_supports=0, one_class=0,
                  kernel_type="LINEAR", kernel_params=None, post_transform="NONE"):
    """rho is added. Without support vectors the coefficients are the model's own, one a feature. one_class
    says on which side of zero the sum lies, by 1 and -1."""
    x, weights = as_rows(x), list64(coefficients)
    if n_supports:
        vectors = list64(support_vectors).reshape(n_supports, -1)
        y = np.array([kernel(row, vectors, kernel_type, kernel_params) @ weights for row in x]) + list64(rho)
    else:
        y = x @ weights + list64(rho)
    y = y.reshape(len(x), 1)
    return np.where(y > 0, 1, -1).astype(np.float32) if one_class else transformed(y, post_transform)


def coupled(r):
    """Probabilities of classes from those of pairs, r[i][j] of i against j: the second method of Wu, Lin and
    Weng (2004), an iteration that ends as libsvm's does, where the largest residual is below 0.005 / k."""
    k = len(r)
    off = ~np.eye(k, dtype=bool)
    q = -r.T * r
    q[~off] = [(r[:, t][off[t]] ** 2).sum() for t in range(k)]
    p = np.full(k, 1 / k)
    for _ in range(max(100, k)):
        qp = q @ p
        pqp = p @ qp
        if np.abs(qp - pqp).max() < 0.005 / k:
            break
        for t in range(k):
            step = (p @ q @ p - (q @ p)[t]) / q[t, t]
            p[t] += step
            p /= 1 + step
    return p


def pair_decisions(x, coefficients, rho, support_vectors, vectors_per_class, kernel_type, kernel_params):
    """A decision for each pair of classes i < j; positive is i. Row j-1 of the coefficients weighs the vectors
    of class i against j, row i those of class j against i."""
    classes, total = len(vectors_per_class), sum(vectors_per_class)
    vectors = list64(support_vectors).reshape(total, -1)
    weights = list64(coefficients).reshape(classes - 1, total)
    parts = np.split(np.arange(total), np.cumsum(vectors_per_class)[:-1])
    k = np.array([kernel(row, vectors, kernel_type, kernel_params) for row in x]).reshape(len(x), total)
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    decisions = [k[:, parts[i]] @ weights[j - 1, parts[i]] + k[:, parts[j]] @ weights[i, parts[j]] + b
                 for (i, j), b in zip(pairs, list64(rho), strict=True)]
    return pairs, np.array(decisions).reshape(len(pairs), len(x)).T


def svm_classifier(x, version, coefficients, rho, classlabels_ints=None, classlabels_strings=None,
                   support_vectors=None, vectors_per_class=None, prob_a=None, prob_b=None,
                   kernel_type="LINEAR", kernel_params=None, post_transform="NONE"):
    """The label is the class with most votes of pairs, the first of equals. Scores are the probabilities, or
    without prob_a the decisions of pairs; that two classes have {-d, d} is what several runtimes do."""
    x = as_rows(x)
    classes = len(classlabels_strings or classlabels_ints)
    if not vectors_per_class:
        # One row of coefficients a class and one rho for all: a linear model, as several runtimes have it.
        scores = x @ list64(coefficients).reshape(classes, -1).T + list64(rho)[0]
        return (labels_of(scores.argmax(axis=1), classlabels_ints, classlabels_strings),
                transformed(scores, post_transform))
    pairs, decisions = pair_decisions(x, coefficients, rho, support_vectors, vectors_per_class, kernel_type,
                                      kernel_params)
    votes = np.zeros((len(x), classes))
    for (i, j), d in zip(pairs, decisions.T):
        votes[:, i] += d > 0
        votes[:, j] += d <= 0
    labels = labels_of(votes.argmax(axis=1), classlabels_ints, classlabels_strings)
    if not prob_a:
        return labels, transformed(np.hstack([-decisions, decisions]) if classes == 2 else decisions,
                                   post_transform)
    scores = []
    for row in decisions:
        r = np.zeros((classes, classes))
        for (i, j), d, a, b in zip(pairs, row, list64(prob_a), list64(prob_b)):
            r[i, j] = np.clip(expit(-(a * d + b)), 1e-7, 1 - 1e-7)
            r[j, i] = 1 - r[i, j]
        scores.append(coupled(r))
    return labels, transformed(np.array(scores).reshape(len(x), classes), post_transform)
