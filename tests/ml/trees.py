"""TreeEnsembleRegressor and TreeEnsembleClassifier, by made trees."""

import numpy as np
from onnx import numpy_helper

from tests.ml.forest import Leaf, Node, columns, each, flat, for_one, forest, one_of, whole_split
from tests.ml.linear import NUMBERS, TRANSFORMS
from tests.ml.spec_trees import AGGREGATES, MODES
from tests.ml.values import features, floats

NAN = float("nan")
COMPARISONS = MODES[:6]
ROWS = [1, 0, 7, 61]
SIZES = [1, 3, 40, 130]


def whole(rng):
    return whole_split(rng, "int64")


def holes(x, seed=5):
    """A third of the values missing."""
    y = x.copy()
    y[np.random.default_rng(seed).random(x.shape) < 0.33] = NAN
    return y


def mode_features(columns_=4):
    """Whole numbers, so that equality happens."""
    return np.random.default_rng(6).integers(-3, 4, size=(24, columns_)).astype(np.float32)


def no_crowd(n):
    """Nodes of all trees mixed up, the root of each somewhere."""
    return np.random.default_rng(n).permutation(n)


def shape_cases(w, op, prefix, name, votes, attributes):
    """What both operators have in common: how nodes are written down, and what they compare."""
    rest = {**attributes}
    x = features("float32", 51, 16, 4)
    trees = forest(52, 5, 4, 4, votes)
    for mode in COMPARISONS:
        for track in (False, True):
            many = forest(53, 4, 4, 4, votes, modes=[mode], track=track, splits=whole)
            w.case(f"{name}_mode_{mode[7:].lower()}{'_track' if track else ''}", op, [holes(mode_features())],
                   "A missing value goes where the node says, false if it says nothing, whatever its comparison.",
                   **columns(many, prefix, track=track), **rest)
    mixed = forest(54, 9, 5, 4, votes, modes=COMPARISONS, track=True, splits=whole)
    w.case(f"{name}_modes_mixed", op, [holes(mode_features())], "Every comparison in one ensemble.",
           **columns(mixed, prefix), **rest)
    w.case(f"{name}_modes_by_tree", op, [mode_features()], "Every tree has a comparison of its own.",
           **columns([forest(55 + i, 1, 4, 4, votes, modes=[mode], splits=whole)[0]
                      for i, mode in enumerate(COMPARISONS)], prefix, track=False), **rest)
    equal = [Node(0, 1.5, Node(1, -2.0, trees[0], trees[1]), Node(1, 0.25, trees[2], trees[3]), "BRANCH_LT")]
    w.case(f"{name}_at_split", op, [floats([1.5, -2, 0, 0], [1.5, 0.25, 0, 0], [np.nextafter(np.float32(1.5), 0), -2,
                                                                                0, 0])],
           "Values at a threshold.", **columns(equal, prefix, track=False), **rest)
    w.case(f"{name}_infinities", op, [floats([np.inf, -np.inf, 0, 1], [-np.inf, np.inf, np.inf, 0])],
           **columns(trees, prefix, track=False), **rest)
    for dtype in NUMBERS:
        kind = np.dtype(dtype).kind
        some = forest(56, 6, 5, 4, votes, modes=COMPARISONS, splits=whole if kind == "i" else None)
        for version in (1, 3):
            w.case(f"{name}_{dtype}_version_{version}", op, [features(dtype, 57, 20, 4)], version=version,
                   **columns(some, prefix, track=False), **rest)
    between = np.array([[0.1, 0, 0, 0], [float(np.float32(0.1)), 0, 0, 0], [0.10000001, 0, 0, 0]])
    w.case(f"{name}_double_between_floats", op, [between], "A double is compared as it is, not rounded to float.",
           **columns([Node(0, float(np.float32(0.1)), trees[0], trees[1], "BRANCH_LT")], prefix, track=False), **rest)
    w.case(f"{name}_double_thresholds", op, [between], "Thresholds are doubles.", version=3,
           **columns([Node(0, 0.1, trees[0], trees[1])], prefix, double=True), **rest)
    w.case(f"{name}_as_tensor", op, [features("float64", 58, 16, 4)], version=3,
           **columns(trees, prefix, double=True), **rest)
    w.case(f"{name}_version_3_lists", op, [x], version=3, **columns(trees, prefix), **rest)
    if prefix == "class":
        w.case(f"{name}_mixed_up", op, [x],
               "Nodes of all trees in no order: a root is the node that is nobody's child.",
               **columns(trees, prefix, order=no_crowd), **rest)
    sizes = [len(flat(root)) for root in trees]
    w.case(f"{name}_root_last", op, [x], "Children before parents: a root is the node that is nobody's child.",
           **columns(trees, prefix, order=lambda n: range(n - 1, -1, -1), ids=lambda t, n: (t, sizes[t] - 1 - n)),
           **rest)
    w.case(f"{name}_tree_ids", op, [x], "Numbers of trees are names: not in order, with gaps.",
           **columns(trees, prefix, ids=lambda t, n: (100 - 7 * t, n)), **rest)
    for version in (1, 3):
        w.case(f"{name}_hitrates_version_{version}", op, [x], "Popularity changes nothing.", version=version,
               nodes_hitrates=[1.0] * len(columns(trees, prefix)["nodes_nodeids"]), **columns(trees, prefix), **rest)
    w.case(f"{name}_hitrates_as_tensor", op, [features("float64", 58, 16, 4)], "Popularity changes nothing.",
           version=3,
           nodes_hitrates_as_tensor=numpy_helper.from_array(np.ones(len(columns(trees, prefix)["nodes_nodeids"]))),
           **columns(trees, prefix, double=True), **rest)
    leaf = Leaf(votes(np.random.default_rng(1)))
    w.case(f"{name}_single_leaf", op, [x[:3]], "A tree that is a leaf.", **columns([leaf], prefix, track=False),
           **rest)
    w.case(f"{name}_single_leaves", op, [x[:3]], "Trees that are leaves among others.",
           **columns([leaf, trees[0], leaf], prefix, track=False), **rest)
    chain = leaf
    for i in range(300):
        chain = Node(i % 4, 3 - i / 100, Leaf(votes(np.random.default_rng(i))), chain, "BRANCH_GT")
    w.case(f"{name}_deep", op, [x], "A tree of 300 levels.", **columns([chain], prefix, track=False), **rest)
    full = forest(59, 2, 11, 4, votes)
    w.case(f"{name}_large", op, [features("float32", 60, 100, 4)], "Trees of thousands of nodes.",
           **columns(full, prefix, track=False), **rest)
    w.case(f"{name}_many_features", op, [features("float32", 61, 5, 900)],
           **columns(forest(62, 20, 4, 900, votes), prefix, track=False), **rest)
    w.case(f"{name}_alone", op, [x], "The model imports only ai.onnx.ml.", alone=True, **columns(trees, prefix),
           **rest)
    for count in SIZES:
        some = forest(63, count, 4, 4, votes)
        w.case(f"{name}_batches_{count}_trees", op, [[features("float32", 64, n, 4)] for n in ROWS],
               "One model, batches of several sizes.", **columns(some, prefix, track=False), **rest)


def regressor(w):
    op, x = "TreeEnsembleRegressor", features("float32", 65, 12, 4)
    shape_cases(w, op, "target", "tree_regressor", each(1), {"n_targets": 1})
    shape_cases(w, op, "target", "tree_regressor_three", each(3), {"n_targets": 3})
    for function in AGGREGATES:
        for targets in (1, 3):
            for base in (False, True):
                rest = {"base_values": [0.5, -20.0, 3.25][:targets]} if base else {}
                name = f"tree_regressor_{function.lower()}_{targets}{'_base' if base else ''}"
                note = "base_values come after the aggregation." if base else ""
                for trees in (1, 6, 40):
                    some = columns(forest(66, trees, 4, 4, each(targets)), "target", track=False)
                    w.case(f"{name}_{trees}_trees", op, [x], note, n_targets=targets, aggregate_function=function,
                           **some, **rest)
                doubles = columns(forest(67, 6, 4, 4, each(targets)), "target", double=True)
                if base:
                    rest = {"base_values_as_tensor": numpy_helper.from_array(np.array([0.5, -20.0, 3.25][:targets]))}
                w.case(f"{name}_as_tensor", op, [x.astype(np.float64)], note, version=3, n_targets=targets,
                       aggregate_function=function, **doubles, **rest)
    for function in AGGREGATES:
        for base in (None, [10.0, -20.0, 30.0]):
            w.case(f"tree_regressor_{function.lower()}_sparse{'_base' if base else ''}", op, [x],
                   "A leaf votes for one target of three; one without votes has its base value. An average is over "
                   "all trees: the specification is silent, several runtimes do so.", n_targets=3,
                   aggregate_function=function, base_values=base,
                   **columns(forest(68, 4, 2, 4, one_of(2)), "target", track=False))
        w.case(f"tree_regressor_{function.lower()}_signs", op, [x], "Every leaf below zero.", n_targets=1,
               aggregate_function=function, **columns(forest(69, 5, 3, 4, each(1, -9, -5)), "target", track=False))
    some = columns([Node(0, 0.0, Leaf([]), Leaf([(0, 2.0)])), Node(1, 0.0, Leaf([]), Leaf([(0, 3.0)]))], "target",
                   track=False)
    for base in (None, [5.0]):
        w.case(f"tree_regressor_silent_leaves{'_base' if base else ''}", op,
               [floats([-1, -1], [-1, 1], [1, -1], [1, 1])], "A leaf without a target adds nothing.", n_targets=1,
               base_values=base, **some)
        w.case(f"tree_regressor_silent_leaves_many_rows{'_base' if base else ''}", op,
               [features("float32", 70, 61, 2)],
               "A leaf without a target adds nothing.", n_targets=1, base_values=base, **some)
    cancel = columns([Leaf([(0, 1e10)]), Leaf([(0, 0.5)]), Leaf([(0, -1e10)])], "target", double=True)
    w.case("tree_regressor_double_sum", op, [x[:2].astype(np.float64)], "Doubles are added up as doubles.", version=3,
           n_targets=1, **cancel)
    for transform in TRANSFORMS:
        low = (0.05, 0.3) if transform == "PROBIT" else (-1.0, 1.0)
        for targets in (1, 2, 3):
            for base in (False, True):
                w.case(f"tree_regressor_{transform.lower()}_{targets}{'_base' if base else ''}", op, [x],
                       "The transform applies to a vector of one score too." if targets == 1 else "",
                       version=3 if base else 1, n_targets=targets,
                       post_transform=transform, base_values=[0.05, 0.02, 0.125][:targets] if base else None,
                       **columns(forest(71, 3, 3, 4, each(targets, *low)), "target", track=False))


BINARY_ONE = ("Two classes, and all votes are for the first: the sum speaks for the second class, as in the binary models "
              "of scikit-learn, XGBoost and LightGBM that converters write so.")


def classifier(w):
    op, x = "TreeEnsembleClassifier", features("float32", 72, 14, 4)
    shape_cases(w, op, "class", "tree_classifier", each(3, 0.1), {"classlabels_int64s": [0, 1, 2]})
    shape_cases(w, op, "class", "tree_classifier_pair", each(2), {"classlabels_strings": ["no", "yes"]})
    shape_cases(w, op, "class", "tree_classifier_first_id", for_one(0),
                {"classlabels_int64s": [0, 1], "post_transform": "LOGISTIC"})
    for kind, names in (("int64s", [7, -3, 5, 1 << 40]), ("strings", ["no", "yes", "", "straße"])):
        key = f"classlabels_{kind}"
        for transform in TRANSFORMS:
            tail = f"{kind}_{transform.lower()}"
            span = (0.02, 0.3) if transform == "PROBIT" else (-1.0, 1.0)
            for classes in (2, 3, 4):
                labels = {key: names[:classes], "post_transform": transform}
                base = [0.05, 0.02, 0.01, 0.03][:classes]
                every = columns(forest(73, 3, 3, 4, each(classes, *span)), "class", track=False)
                w.case(f"tree_classifier_each_{classes}_{tail}", op, [x], "Every leaf votes for every class.",
                       **every, **labels)
                w.case(f"tree_classifier_each_{classes}_base_{tail}", op, [x], "base_values, one a class.",
                       version=3, base_values=base, **every, **labels)
            if transform == "PROBIT":
                continue
            pair, whose = {key: names[:2], "post_transform": transform}, (0, 1) if transform == "LOGISTIC" else (0,)
            first, second = (columns(forest(74, 3, 3, 4, for_one(i)), "class", track=False) for i in (0, 1))
            for base in (None, [-0.25]):
                w.case(f"tree_classifier_first_id_{'base_' if base else ''}{tail}", op, [x], BINARY_ONE + (
                       "" if len(whose) == 2 else " What the scores of a margin are nobody says, so only the label is "
                       "asked for."), outputs=whose, base_values=base, **pair, **first)
            for base in (None, [0.125, -0.5]):
                w.case(f"tree_classifier_second_id_{'base_' if base else ''}{tail}", op, [x],
                       "All votes are for the second of two classes; the first has its base value.", base_values=base,
                       **pair, **second)
            if transform not in ("NONE", "LOGISTIC"):
                continue
            for base in (None, [0.125]):
                w.case(f"tree_classifier_first_id_positive_{'base_' if base else ''}{tail}", op, [x],
                       BINARY_ONE + " Weights are above zero.", base_values=base, **pair,
                       **columns(forest(75, 4, 3, 4, for_one(0, 0.01, 0.2)), "class", track=False))
        for classes in (2, 3, 4):
            votes = forest(76, 7, 3, 4, one_of(classes, 1, 1))
            w.case(f"tree_classifier_votes_{classes}_{kind}", op, [x],
                   "Each tree has one vote; the first of equals wins.",
                   **{key: names[:classes]}, **columns(votes, "class", track=False))
            w.case(f"tree_classifier_negative_{classes}_{kind}", op, [x], "Every weight is below zero.",
                   **{key: names[:classes]},
                   **columns(forest(77, 4, 3, 4, each(classes, -2, -1)), "class", track=False))
            w.case(f"tree_classifier_sparse_{classes}_{kind}", op, [x], "A class without votes has zero.",
                   **{key: names[:classes]},
                   **columns(forest(78, 2, 2, 4, one_of(classes, 0.1)), "class", track=False))
            w.case(f"tree_classifier_sparse_{classes}_base_{kind}", op, [x],
                   "A class without votes has its base value.",
                   **{key: names[:classes]}, base_values=[0.25, 0.5, 0.75, 0.125][:classes],
                   **columns(forest(78, 2, 2, 4, one_of(classes, 0.1)), "class", track=False))
        w.case(f"tree_classifier_one_class_{kind}", op, [x], "There is only one class.", **{key: names[:1]},
               **columns(forest(79, 2, 2, 4, for_one(0)), "class", track=False))
        w.case(f"tree_classifier_no_rows_{kind}", op, [x[:0]], **{key: names[:3]},
               **columns(forest(79, 2, 2, 4, each(3)), "class", track=False))
    for base in (None, [0.5, 0.25, -0.125]):
        tensor = None if base is None else numpy_helper.from_array(np.array(base))
        w.case(f"tree_classifier_tensors{'' if base is None else '_base'}", op, [x.astype(np.float64)], version=3,
               classlabels_int64s=[0, 1, 2], base_values_as_tensor=tensor,
               **columns(forest(80, 6, 4, 4, each(3)), "class", double=True))
    some = [Node(0, 0.0, Leaf([]), Leaf([(0, 2.0), (2, 1.0)])), Node(1, 0.0, Leaf([]), Leaf([(1, 3.0)]))]
    w.case("tree_classifier_silent_leaves", op, [floats([-1, -1], [-1, 1], [1, -1], [1, 1])],
           "A leaf without a vote adds nothing.", classlabels_int64s=[4, 5, 6], base_values=[0.0, 0.5, 0.0],
           **columns(some, "class", track=False))
    w.case("tree_classifier_many_classes", op, [x], classlabels_int64s=list(range(500, 600)),
           **columns(forest(81, 30, 4, 4, one_of(100, 0.1)), "class", track=False))
    w.case("tree_classifier_unordered_ids", op, [x], "Node numbers of a classifier need not start at zero.",
           classlabels_int64s=[0, 1, 2],
           **columns(forest(82, 4, 3, 4, each(3)), "class", track=False, ids=lambda t, n: (t, 1000 * t + 90 - 3 * n)))


FAMILIES = [regressor, classifier]
