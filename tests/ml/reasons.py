"""Why onnxruntime fails cases: a pattern of names, a kind of failure (* for any), and the reason in words.

The first line that fits counts. Failures that none fits stand in the page without a word, to be looked into.
"""

NO_TYPE = "It has no implementation for the element type, which the specification allows"
ONE_SCORE = ("LOGISTIC, SOFTMAX and SOFTMAX_ZERO are not applied where there is one score a row; the specification "
             "transforms the vector of scores whatever its length")
PROBIT = "PROBIT is a rough approximation of the normal quantile, off in the third digit and wrong near one half"
BOTH_VOTE = ("Two classes that both have votes: the label comes from the sign of the second sum instead of the larger "
             "one, integer class labels are replaced by 0 and 1, and base_values give other scores")
BINDING = "Its Python interface cannot pass such a map to a model"
SWAPPED = "TreeEnsemble takes post_transform 1 for LOGISTIC and 2 for SOFTMAX; the specification has them the other way"
NEQ = ("BRANCH_NEQ takes the true branch for a missing value, whatever nodes_missing_value_tracks_true says: NaN is "
       "compared like a number")
ROOT = ("The first node in the list is taken for a tree's root, so lists with children before parents give other trees "
        "or are refused; the specification does not order nodes")

REASONS = [
    ("test_ml_binarizer_nan", "refuses", "Binarizer refuses NaN"),
    ("test_ml_cast_map_*", "refuses", BINDING),
    ("test_ml_dict_vectorizer_*", "refuses", BINDING),
    ("test_ml_dict_vectorizer_*", "wrong",
     "DictVectorizer gives a tensor of two dimensions; the specification says 1-D"),
    ("test_ml_feature_vectorizer_default_*", "refuses", "FeatureVectorizer wants inputdimensions, which is optional"),
    ("test_ml_feature_vectorizer_*", "crash", "FeatureVectorizer ends the process on a batch of no rows"),
    ("test_ml_imputer_cube_*", "wrong", "Imputer takes the second dimension for the features; they are the last"),
    ("test_ml_label_encoder_2_*", "wrong",
     "LabelEncoder version 2 compares floats as numbers; the specification says "
     "bits, so that NaN is found and -0 is not 0"),
    ("test_ml_label_encoder_4_repeated*", "wrong", "LabelEncoder version 4 takes the first of equal keys; the "
     "specification says the last"),
    ("test_ml_linear_classifier_*no_intercepts", "refuses", "LinearClassifier wants intercepts, which are optional"),
    ("test_ml_linear_regressor_one_*", "wrong", ONE_SCORE),
    ("test_ml_scaler_*_only", "refuses", "Scaler wants both lists, each of which is optional"),
    ("test_ml_svm_*_no_kernel_params", "refuses", "The support vector machines want kernel_params, which is optional "
     "and of no use for the default kernel"),
    ("test_ml_svm_regressor_post_*", "wrong", "SVMRegressor ignores post_transform"),
    ("test_ml_*probit*", "wrong", PROBIT),
    ("test_ml_tree_regressor_*_1", "wrong", ONE_SCORE),
    ("test_ml_tree_regressor_*_1_base", "wrong", ONE_SCORE),
    ("test_ml_tree_regressor_*_sparse_base", "wrong",
     "TreeEnsembleRegressor gives zero instead of the base value for a "
     "target that no leaf voted for"),
    ("test_ml_tree_ensemble_logistic_3_*", "wrong", SWAPPED),
    ("test_ml_tree_ensemble_softmax_3_*", "wrong", SWAPPED),
    ("test_ml_tree_ensemble_*_1_*", "wrong", ONE_SCORE),
    ("test_ml_tree_ensemble_member_wide_float[36]*", "refuses", "BRANCH_MEMBER refuses members that are no integers"),
    ("test_ml_tree_*mode*", "wrong", NEQ),
    ("test_ml_tree_*_root_last", "*", ROOT),
    ("test_ml_tree_*_mixed_up", "*", ROOT),
    ("test_ml_tree_classifier_unordered_ids", "refuses", ROOT),
    ("test_ml_tree_classifier_one_class_strings", "crash", "One class with a string label ends the process"),
    ("test_ml_tree_classifier_one_class_int64s", "wrong",
     "One class: the label is 0 or 1 instead of the class's own"),
    ("test_ml_tree_classifier_first_id*", "wrong",
     "A binary model with LOGISTIC whose leaves are all above zero: the "
     "label is taken from the sum before the transform, at one half, though the probability is above one half"),
    ("test_ml_tree_classifier_xgboost_all_positive", "wrong",
     "A binary model with LOGISTIC whose leaves are all above "
     "zero: the label is taken from the sum before the transform, at one half, though the probability is above one half"),
    ("test_ml_tree_classifier_second_id_base*", "wrong",
     "Two classes, votes for the second alone, and base_values: the "
     "base value of the first is lost and the label comes from the sign of the second sum"),
    ("test_ml_tree_classifier_*", "wrong", BOTH_VOTE),
    ("test_ml_*", "refuses", NO_TYPE),
    ("test_pipeline_*", "refuses",
     "StringNormalizer, which every vectorizer of text needs, refuses to load where there "
     "is no locale en_US.UTF-8"),
]
