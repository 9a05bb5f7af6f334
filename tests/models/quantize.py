"""Further entries: what onnxruntime's own tools make of some models of the table.

The tools are onnxruntime.quantization (dynamic; static with QDQ pairs and with QLinear operators; calibrated with
the drawn inputs), onnxruntime.transformers (fused attention, layer normalization, GELU) and a session's own
optimizations, saved as a model. All of them write operators of the domain com.microsoft.
"""

import logging
import tempfile
from pathlib import Path


def session_options():
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    logging.disable(logging.WARNING)
    return ort.SessionOptions()


class Recorder:
    """The feeds of a quick play, as the calibration wants them."""

    def __init__(self, model, source, data):
        import onnxruntime as ort

        session = ort.InferenceSession(str(source), session_options(), providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        lone = session.get_inputs()[0].name
        feeds = []

        def run(given):
            feeds.append({lone if name is None else name: value for name, value in given.items()})
            return dict(zip(names, session.run(names, feeds[-1])))

        for _ in zip(range(8), model.play([run], data, False)):
            pass
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def dynamic(**options):
    def tool(model, source, data, target):
        from onnxruntime.quantization import QuantType, quantize_dynamic

        kinds = {key: QuantType[value] if key == "weight_type" else value for key, value in options.items()}
        quantize_dynamic(source, target, **kinds)
    return tool


def static(quant_format, **options):
    def tool(model, source, data, target):
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
        from onnxruntime.quantization import quant_pre_process, quantize_static

        class Reader(Recorder, CalibrationDataReader):
            pass

        kinds = {key: QuantType[value] if key.endswith("_type") else value for key, value in options.items()}
        prepared = target.with_name("prepared.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, target, Reader(model, source, data), quant_format=QuantFormat[quant_format],
                        **kinds)
    return tool


def transformer(approximate_gelu=False, then=None):
    """Fuses BERT's parts, and quantizes what comes of it by the tool `then`."""
    def tool(model, source, data, target):
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions

        options = FusionOptions("bert")
        options.enable_gelu_approximation = approximate_gelu
        options.enable_shape_inference = False  # it asks for sympy
        fused = optimizer.optimize_model(str(source), "bert", num_heads=12, hidden_size=384, opt_level=0,
                                         optimization_options=options)
        if then is None:
            fused.save_model_to_file(str(target))
            return
        between = target.with_name("fused.onnx")
        fused.save_model_to_file(str(between))
        then(model, between, data, target)
    return tool


def session(level, before=None):
    """What a session has optimized, after the tool `before`."""
    def tool(model, source, data, target):
        import onnxruntime as ort

        if before is not None:
            between = target.with_name("before.onnx")
            before(model, source, data, between)
            source = between
        options = session_options()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(target)
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return tool


DYNAMIC = dynamic(weight_type="QInt8", extra_options={"DefaultTensorType": 1})  # float, where no type is known
CHANNELS = dynamic(weight_type="QUInt8", per_channel=True)
QDQ = static("QDQ", activation_type="QUInt8", weight_type="QInt8")
QOPERATOR = static("QOperator", activation_type="QUInt8", weight_type="QUInt8")
EXTENDED = "ORT_ENABLE_EXTENDED"

# name of the result, model of the table, tool, whether activations are rounded to 8 bits
DERIVED = (
    ("minilm-fused", "minilm-opset14", transformer(), False),
    ("minilm-fused-fastgelu", "minilm-opset17", transformer(approximate_gelu=True), False),
    ("minilm-session", "minilm-opset17", session(EXTENDED), False),
    ("minilm-dynamic", "minilm-opset17", DYNAMIC, True),
    ("minilm-dynamic-session", "minilm-opset17", session(EXTENDED, DYNAMIC), True),
    ("minilm-dynamic-channels", "minilm-opset14", session(EXTENDED, CHANNELS), True),
    ("minilm-fused-dynamic", "minilm-opset14", transformer(then=DYNAMIC), True),
    ("minilm-fused-dynamic-session", "minilm-opset14", session(EXTENDED, transformer(then=DYNAMIC)), True),
    ("minilm-qdq", "minilm-opset17", QDQ, True),
    ("minilm-qoperator", "minilm-opset17", QOPERATOR, True),
    ("yolov8n-session", "yolov8n", session(EXTENDED), False),
    ("yolov8n-dynamic", "yolov8n", dynamic(weight_type="QUInt8"), True),
    ("yolov8n-qdq", "yolov8n", QDQ, True),
    ("yolov8n-qoperator", "yolov8n", QOPERATOR, True),
    ("ocr-recognition-session", "ocr-recognition", session(EXTENDED), False),
    ("ocr-recognition-qoperator", "ocr-recognition", QOPERATOR, True),
    ("page-orientation-qdq", "page-orientation", QDQ, True),
    ("page-orientation-qdq-session", "page-orientation", session(EXTENDED, QDQ), True),
    ("page-orientation-qoperator", "page-orientation", QOPERATOR, True),
    ("captcha-qoperator", "captcha", QOPERATOR, True),
    ("captcha-dynamic-session", "captcha", session(EXTENDED, DYNAMIC), True),
    ("seizure-dynamic", "eeg-seizure", DYNAMIC, True),
    ("seizure-dynamic-channels", "eeg-seizure", CHANNELS, True),
    ("silero-sequence-dynamic", "silero-vad-sequence", DYNAMIC, True),
    ("ocr-direction-qoperator", "ocr-direction", QOPERATOR, True),
    ("mtcnn-onet-qoperator", "mtcnn-onet", QOPERATOR, True),
    ("densenet121-qoperator", "densenet121", QOPERATOR, True),
    ("shufflenet-qdq", "shufflenet", QDQ, True),
)


def derive(model, tool):
    """A builder: the tool's model of the entry's model."""
    def build(data):
        session_options()
        with tempfile.TemporaryDirectory() as scratch:
            source, target = Path(scratch) / "source.onnx", Path(scratch) / "target.onnx"
            if model.build:
                source.write_bytes(model.build(data)[0])
            else:
                source = data["base"]
            tool(model, source, data, target)
            return [target.read_bytes()]
    return build


def models(entries):
    """Entries like those of the table."""
    by_name = {model.name: model for model in entries.MODELS}
    found = []
    for name, base, tool, quantized in DERIVED:
        model = by_name[base]
        data = model.data + tuple(("base", model.package, member) for member in model.members)
        found.append(entries.Model(name, f"{model.field}, derived", model.package, (), model.play, data,
                                   derive(model, tool), rounds=quantized))
    return found
