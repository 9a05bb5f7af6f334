"""TreeEnsemble, the trees of version 5."""

import numpy as np
from onnx import numpy_helper

from tests.ml.forest import Leaf, Node, for_one, forest, one_of, tensors
from tests.ml.spec_trees import AGGREGATES, POST_TRANSFORMS
from tests.ml.trees import COMPARISONS, ROWS, SIZES, holes, mode_features, whole
from tests.ml.values import features

OP = "TreeEnsemble"
FLOATS = ["float32", "float64", "float16"]
NAN = float("nan")


def half(rng):
    """Thresholds that float16 holds."""
    return float(np.float16(rng.normal() * 2))


def half_votes(votes):
    return lambda rng: [(i, float(np.float16(weight))) for i, weight in votes(rng)]


def members_node(feature, members, yes, no, track=0):
    return Node(feature, 0.0, yes, no, "BRANCH_MEMBER", track, members)


def comparisons(w):
    for mode in COMPARISONS:
        for track in (False, True):
            some = forest(90, 4, 4, 4, for_one(0), modes=[mode], track=track, splits=whole)
            w.case(f"tree_ensemble_mode_{mode[7:].lower()}{'_track' if track else ''}", OP, [holes(mode_features())],
                   "A missing value goes where the node says, false if it says nothing, whatever its comparison.",
                   version=5, n_targets=1, **tensors(some, np.float32, track))
    some = forest(91, 9, 5, 4, for_one(0), modes=COMPARISONS, track=True, splits=whole)
    w.case("tree_ensemble_modes_mixed", OP, [holes(mode_features())], "Every comparison in one ensemble.", version=5,
           n_targets=1, **tensors(some, np.float32))
    leaves = [Leaf([(0, float(2 ** i))]) for i in range(8)]
    one = members_node(0, [1.0, 3.0, -2.0], leaves[0], leaves[1])
    two = members_node(1, [0.0], members_node(0, [2.0, 3.0], leaves[2], leaves[3]), leaves[4])
    mixed = Node(2, 0.5, members_node(3, [-3.0, -1.0, 0.0, 1.0, 2.0, 3.0], leaves[5], leaves[6]), leaves[7])
    wide = members_node(0, list(np.arange(-60, 60, 0.5)), leaves[0], leaves[1])
    for name, trees in (("one", [one]), ("nested", [two]), ("after_comparison", [mixed]), ("some", [one, two, mixed]),
                        ("wide", [wide, one])):
        for dtype in FLOATS:
            w.case(f"tree_ensemble_member_{name}_{dtype}", OP, [mode_features().astype(dtype)],
                   "Sets of members stand in the order of their nodes.", version=5, n_targets=1,
                   **tensors(trees, dtype, track=False))
    for track in (0, 1):
        tree = members_node(0, [1.0, 2.0], leaves[0], members_node(1, [0.0, -1.0], leaves[1], leaves[2], 1 - track),
                            track)
        w.case(f"tree_ensemble_member_missing_{track}", OP, [holes(mode_features())],
               "A missing value is no member; it goes where the node says.", version=5, n_targets=1,
               **tensors([tree], np.float32))
    attributes = tensors([one, two, mixed], np.float32, track=False)
    values = numpy_helper.to_array(attributes["membership_values"])[:-1]
    attributes["membership_values"] = numpy_helper.from_array(values)
    w.case("tree_ensemble_member_no_last_nan", OP, [mode_features()], "NaN stands between sets; the last needs none.",
           version=5, n_targets=1, **attributes)


def layouts(w):
    x = features("float16", 92, 12, 4)
    for dtype in FLOATS:
        y = x.astype(dtype)
        for number, function in enumerate(AGGREGATES):
            for targets in (1, 3):
                votes = for_one(0) if targets == 1 else one_of(3)
                some = tensors(forest(93, 6, 4, 4, half_votes(votes), splits=half), dtype)
                w.case(f"tree_ensemble_{function.lower()}_{targets}_{dtype}", OP, [y], "" if targets == 1 else
                       "A target without a leaf has zero; an average is over all trees, which the specification does "
                       "not say and several runtimes do.", version=5, n_targets=targets, aggregate_function=number,
                       **some)
        for number, transform in enumerate(POST_TRANSFORMS):
            for targets in (1, 3):
                votes = (for_one(0, 0.05, 0.15) if targets == 1 else one_of(3, 0.05, 0.15)) \
                    if transform == "PROBIT" else for_one(0) if targets == 1 else one_of(3)
                trees = forest(94, 5, 3, 4, half_votes(votes), splits=half)
                if targets == 3:  # so that every target has a score
                    trees += [Leaf([(i, 0.125)]) for i in range(3)]
                w.case(f"tree_ensemble_{transform.lower()}_{targets}_{dtype}", OP, [y], version=5, n_targets=targets,
                       post_transform=number, **tensors(trees, dtype))
        leaf = Leaf([(0, 0.75)])
        w.case(f"tree_ensemble_single_leaf_{dtype}", OP, [y], "A node whose branches are one leaf.", version=5,
               n_targets=1, **tensors([leaf], dtype))
        hit = tensors(forest(95, 3, 3, 4, half_votes(for_one(0)), splits=half), dtype)
        hit["nodes_hitrates"] = numpy_helper.from_array(np.ones(len(hit["nodes_featureids"]), dtype=np.float32))
        w.case(f"tree_ensemble_hitrates_{dtype}", OP, [y], "Popularity changes nothing.", version=5, n_targets=1,
               **hit)
    x = x.astype(np.float32)
    defaults = tensors(forest(96, 3, 3, 4, for_one(0)), np.float32, track=False)
    w.case("tree_ensemble_defaults", OP, [x], "SUM, NONE and no missing values are the defaults.", version=5,
           n_targets=1, **defaults)
    w.case("tree_ensemble_alone", OP, [x], "The model imports only ai.onnx.ml.", version=5, alone=True, n_targets=1,
           **defaults)
    double = np.array([[0.1, 0, 0, 0], [float(np.float32(0.1)), 0, 0, 0]])
    w.case("tree_ensemble_double_thresholds", OP, [double], version=5, n_targets=1,
           **tensors([Node(0, 0.1, Leaf([(0, 0.1)]), Leaf([(0, 0.3)]))], np.float64))
    for count in SIZES:
        some = tensors(forest(97, count, 4, 4, for_one(0)), np.float32, track=False)
        w.case(f"tree_ensemble_batches_{count}_trees", OP, [[features("float32", 98, n, 4)] for n in ROWS],
               "One model, batches of several sizes.", version=5, n_targets=1, **some)
        some = tensors(forest(99, count, 4, 4, one_of(5)), np.float32, track=False)
        w.case(f"tree_ensemble_batches_{count}_trees_five", OP, [[features("float32", 98, n, 4)] for n in ROWS],
               "One model, batches of several sizes.", version=5, n_targets=5, **some)
    chain = Leaf([(0, 1.0)])
    for i in range(300):
        chain = Node(i % 4, 3 - i / 100, Leaf([(0, i / 8)]), chain, "BRANCH_GT")
    w.case("tree_ensemble_deep", OP, [x], "A tree of 300 levels.", version=5, n_targets=1,
           **tensors([chain], np.float32))
    w.case("tree_ensemble_large", OP, [features("float32", 100, 100, 4)], "Trees of thousands of nodes.", version=5,
           n_targets=1, **tensors(forest(101, 2, 11, 4, for_one(0)), np.float32))


FAMILIES = [comparisons, layouts]
