"""InferenceSession and the backend against onnxruntime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer

onnxruntime = pytest.importorskip("onnxruntime")
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def info(name, element, shape):
    return helper.make_tensor_value_info(name, element, shape)


def constant(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def model(nodes, inputs, outputs, initializers=(), ml=False):
    imports = [helper.make_opsetid("", 17)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    made = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, initializers),
                             ir_version=8, opset_imports=imports)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def classifier(labels, zipmap):
    strings = isinstance(labels[0], str)
    names = {"classlabels_strings" if strings else "classlabels_ints": labels}
    node = helper.make_node("LinearClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml",
                            coefficients=[1.0, 2, -1, 0, 3, -2], intercepts=[0.1, 0.2, -0.3],
                            post_transform="SOFTMAX", multi_class=1, **names)
    outputs = [info("label", STRING if strings else INT64, ["n"])]
    if not zipmap:
        return model([node], [info("x", FLOAT, ["n", 2])], outputs + [info("p", FLOAT, ["n", 3])],
                     ml=True)
    zipped = helper.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml",
                              **{"classlabels_strings" if strings
                                 else "classlabels_int64s": labels})
    key = STRING if strings else INT64
    kind = helper.make_map_type_proto(key, helper.make_tensor_type_proto(FLOAT, []))
    z = helper.make_value_info("z", helper.make_sequence_type_proto(kind))
    return model([node, zipped], [info("x", FLOAT, ["n", 2])], outputs + [z], ml=True)


X = np.random.default_rng(3).normal(size=(5, 2)).astype(np.float32)
MODELS = {
    "concat": (model([helper.make_node("Concat", ["a", "b"], ["y"], axis=1)],
                     [info("a", FLOAT, ["n", 2]), info("b", FLOAT, ["n", None])],
                     [info("y", FLOAT, ["n", "m"])]), {"a": X, "b": X[:, :1].copy()}),
    "reshape": (model([helper.make_node("Reshape", ["x", "s"], ["y"])],
                      [info("x", FLOAT, [5, 2])], [info("y", FLOAT, [2, 5])],
                      [constant("s", [2, 5])]), {"x": X}),
    "gather": (model([helper.make_node("Gather", ["x", "i"], ["y"], axis=0)],
                     [info("x", STRING, ["n"]), info("i", INT64, ["k"])], [info("y", STRING, ["k"])]),
               {"x": np.array(["a", "bc", "ä"], object), "i": np.array([2, 0, 2])}),
    "argmax": (model([helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)],
                     [info("x", FLOAT, ["n", 2])], [info("y", INT64, ["n"])]), {"x": X}),
    "classes": (classifier([3, 1, 7], False), {"x": X}),
    "named classes": (classifier(["a", "b", "c"], False), {"x": X}),
    "zipmap": (classifier([3, 1, 7], True), {"x": X}),
    "named zipmap": (classifier(["a", "b", "c"], True), {"x": X}),
}


def same(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            same(a, b)
    elif isinstance(ours, dict):
        # onnxruntime sorts the keys of maps; ours have the order of the model's labels.
        assert set(ours) == set(theirs)
        np.testing.assert_allclose(
            list(ours.values()), [theirs[key] for key in ours], rtol=1e-5, atol=1e-7)
    elif ours.dtype == object:
        assert ours.tolist() == theirs.tolist() and ours.shape == theirs.shape
    else:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_session_answers_as_onnxruntime(name):
    data, feeds = MODELS[name]
    theirs = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    ours = libinfer.InferenceSession(data, libinfer.SessionOptions(), ["CPUExecutionProvider"])
    for a, b in ((ours.get_inputs(), theirs.get_inputs()), (ours.get_outputs(), theirs.get_outputs())):
        assert [(x.name, x.type, x.shape) for x in a] == [(x.name, x.type, x.shape) for x in b]
    same(ours.run(None, feeds), theirs.run(None, feeds))
    last = ours.get_outputs()[-1].name
    same(ours.run([last], feeds), theirs.run([last], feeds))
    assert ours.get_providers() == ["CPUExecutionProvider"]


def test_session_reports_metadata():
    data, _ = MODELS["argmax"]
    proto = onnx.load_from_string(data)
    proto.producer_name = "me"
    helper.set_model_props(proto, {"k": "v"})
    meta = libinfer.InferenceSession(proto.SerializeToString()).get_modelmeta()
    assert meta == ("me", "g", {"k": "v"})


def test_session_accepts_onnxruntimes_options():
    data, feeds = MODELS["argmax"]
    session = libinfer.InferenceSession(data, onnxruntime.SessionOptions())
    assert len(session.run([], feeds, onnxruntime.RunOptions())) == 1


def test_backend_prepares_and_runs():
    import libinfer.backend as backend

    data, feeds = MODELS["concat"]
    proto = onnx.load_from_string(data)
    expected = np.concatenate(list(feeds.values()), 1)
    assert backend.supports_device("CPU") and not backend.supports_device("CUDA")
    assert backend.is_compatible(proto)
    prepared = backend.prepare(proto)
    assert (prepared.run(list(feeds.values()))[0] == expected).all()
    assert (prepared.run(feeds).y == expected).all()
    assert (backend.run_model(proto, list(feeds.values())).y == expected).all()
    with pytest.raises(libinfer.InferArgumentError):
        backend.prepare(proto, "CUDA")
    with pytest.raises(libinfer.InferArgumentError):
        prepared.run([X, X, X])


def test_backend_runs_a_node():
    import libinfer.backend as backend

    node = helper.make_node("Concat", ["a", "b"], ["y"], axis=0)
    result = backend.run_node(node, [X, X], opset_version=13)
    assert (result.y == np.concatenate([X, X])).all()
    typed = backend.run_node(node, [X, X], outputs_info=[(np.dtype("float32"), (10, 2))],
                             opset_version=13)
    assert (typed[0] == result[0]).all()


def test_backend_does_not_know_unknown_operators():
    import libinfer.backend as backend

    proto = helper.make_model(helper.make_graph(
        [helper.make_node("Mystery", ["x"], ["y"], domain="nowhere")], "g",
        [info("x", FLOAT, [1])], [info("y", FLOAT, [1])]),
        ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)])
    assert not backend.is_compatible(proto)


@pytest.mark.parametrize("rt", [onnxruntime, libinfer], ids=["onnxruntime", "libinfer"])
def test_one_import_is_all_that_changes(rt):
    """A program as its documentation writes it, under either name."""
    data, feeds = MODELS["reshape"]
    options = rt.SessionOptions()
    options.graph_optimization_level = rt.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = rt.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    assert "CPUExecutionProvider" in rt.get_available_providers()
    session = rt.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("x", "tensor(float)", [5, 2])]
    assert session.get_session_options().intra_op_num_threads == 2
    (y,) = session.run([session.get_outputs()[0].name], feeds)
    np.testing.assert_array_equal(y, feeds["x"].reshape(2, 5))
    with pytest.raises(AttributeError):
        options.no_such_option = 1


def test_what_is_not_supported_is_refused():
    options = libinfer.SessionOptions()
    options.enable_profiling = True
    with pytest.raises(libinfer.InferUnsupportedError, match="enable_profiling"):
        libinfer.InferenceSession(MODELS["reshape"][0], options)
    with pytest.raises(libinfer.InferUnsupportedError, match="CUDA"):
        libinfer.InferenceSession(MODELS["reshape"][0], providers=["CUDAExecutionProvider"])
