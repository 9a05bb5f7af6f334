"""What the suite leaves out: operators, versions, attributes, element types and named values without a case."""

from pathlib import Path

import onnx
from onnx import numpy_helper

from tests.ml.spec_trees import AGGREGATES, MODES, POST_TRANSFORMS

DOMAIN = "ai.onnx.ml"
NAMED = {"post_transform": POST_TRANSFORMS, "aggregate_function": AGGREGATES, "nodes_modes": [*MODES[:6], "LEAF"],
         "kernel_type": ["LINEAR", "POLY", "RBF", "SIGMOID"], "norm": ["MAX", "L1", "L2"],
         "cast_to": ["TO_FLOAT", "TO_INT64", "TO_STRING"], "map_form": ["DENSE", "SPARSE"]}
NUMBERED = {"post_transform": POST_TRANSFORMS, "aggregate_function": AGGREGATES, "nodes_modes": MODES}


def wanted():
    """(operator, version, what) for everything that the schemas have, from version 1 to the last before it goes away."""
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain != DOMAIN or schema.deprecated:
            continue
        version = schema.since_version
        names = NUMBERED if schema.name == "TreeEnsemble" else NAMED
        for attribute in schema.attributes:
            yield schema.name, version, attribute
            for value in range(len(names.get(attribute, []))) if names is NUMBERED else names.get(attribute, []):
                yield schema.name, version, f"{attribute}={value}"
        for constraint in schema.type_constraints:
            if constraint.type_param_str in {i.type_str for i in schema.inputs}:
                for kind in constraint.allowed_type_strs:
                    yield schema.name, version, kind


def type_name(kind):
    if kind.WhichOneof("value") == "map_type":
        return f"map({names(kind.map_type.key_type)}, {names(kind.map_type.value_type.tensor_type.elem_type)})"
    return f"tensor({names(kind.tensor_type.elem_type)})"


def names(element):
    return onnx.TensorProto.DataType.Name(element).lower()


def values(attribute):
    if attribute.type == onnx.AttributeProto.STRING:
        return [attribute.s.decode()]
    if attribute.type == onnx.AttributeProto.STRINGS:
        return {s.decode() for s in attribute.strings}
    if attribute.type == onnx.AttributeProto.TENSOR and attribute.name == "nodes_modes":
        return set(numpy_helper.to_array(attribute.t).tolist())
    return [attribute.i]


def had(directory):
    for path in Path(directory).glob("*/model.onnx"):
        model = onnx.load(path)
        node = model.graph.node[0]
        (asked,) = [o.version for o in model.opset_import if o.domain == DOMAIN]
        version = onnx.defs.get_schema(node.op_type, asked, DOMAIN).since_version
        for attribute in node.attribute:
            yield node.op_type, version, attribute.name
            for value in values(attribute):
                yield node.op_type, version, f"{attribute.name}={value}"
        yield node.op_type, version, type_name(model.graph.input[0].type)


def missing(directory):
    return sorted(set(wanted()) - set(had(directory)))
