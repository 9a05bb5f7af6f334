"""The operators that a model uses, with version and element types, and what is odd about its file.

`python tests/models/operators.py FILE...` prints them for any ONNX files; `./dev models --operators` for all
models of the table.
"""

import sys
from collections import defaultdict
from pathlib import Path

import onnx
from onnx import TensorProto, helper, shape_inference

NEWEST = {"": onnx.defs.onnx_opset_version(), "ai.onnx.ml": onnx.defs.onnx_ml_opset_version()}


def type_name(value_type):
    """A type as ONNX writes it, tensors by their element type alone."""
    kind = value_type.WhichOneof("value")
    if kind == "tensor_type":
        return TensorProto.DataType.Name(value_type.tensor_type.elem_type).lower()
    if kind == "sequence_type":
        return f"seq({type_name(value_type.sequence_type.elem_type)})"
    if kind == "map_type":
        key = TensorProto.DataType.Name(value_type.map_type.key_type).lower()
        return f"map({key},{type_name(value_type.map_type.value_type)})"
    if kind == "optional_type":
        return f"optional({type_name(value_type.optional_type.elem_type)})"
    return "?"


def graphs_of(node):
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def value_types(graph, outer):
    types = dict(outer)
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if value.HasField("type"):
            types[value.name] = type_name(value.type)
    for tensor in graph.initializer:
        types[tensor.name] = TensorProto.DataType.Name(tensor.data_type).lower()
    for tensor in graph.sparse_initializer:
        types[tensor.values.name] = TensorProto.DataType.Name(tensor.values.data_type).lower()
    return types


def since_version(node, imports):
    """The version of the operator that the imports choose, 'n?' where ONNX knows no such operator."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = imports.get(domain, NEWEST.get(domain, 1))
    try:
        return str(onnx.defs.get_schema(node.op_type, version, domain).since_version)
    except onnx.defs.SchemaError:
        return f"{version}?"


class Usage:
    """One operator of a model: how often, its attributes and the types of its inputs and outputs."""

    def __init__(self):
        self.count = 0
        self.signatures = set()
        self.attributes = defaultdict(set)

    def add(self, node, types):
        def names(values):
            return ",".join(types.get(name, "?") if name else "-" for name in values)

        self.count += 1
        self.signatures.add(f"{names(node.input)}->{names(node.output)}")
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            if isinstance(value, (onnx.TensorProto, onnx.GraphProto, onnx.SparseTensorProto)):
                value = type(value).__name__
            elif isinstance(value, (list, tuple)) and (len(value) > 8 or (value and isinstance(value[0], bytes))):
                value = f"{len(value)} values"
            self.attributes[attribute.name].add(value.decode() if isinstance(value, bytes) else str(value))


def usages(model):
    """(domain, operator, version) -> Usage, subgraphs and functions included."""
    imports = {("" if item.domain == "ai.onnx" else item.domain): item.version for item in model.opset_import}
    try:
        model = shape_inference.infer_shapes(model)
    except Exception:  # a file that onnx cannot infer is listed with the types that it declares
        pass
    found = defaultdict(Usage)

    def walk(graph, outer, depth):
        types = value_types(graph, outer)
        for node in graph.node:
            domain = "" if node.domain == "ai.onnx" else node.domain
            found[domain, node.op_type, since_version(node, imports)].add(node, types)
            for body in graphs_of(node):
                walk(body, types, depth + 1)

    walk(model.graph, {}, 0)
    for function in model.functions:
        for node in function.node:
            found[node.domain, node.op_type, since_version(node, imports)].add(node, {})
    return found


def oddities(model):
    """What a strict reader would refuse in the file."""
    domains = [item.domain for item in model.opset_import]
    plain = ["" if domain == "ai.onnx" else domain for domain in domains]
    for domain in sorted(set(plain)):
        versions = [item.version for item in model.opset_import if item.domain in (domain, domain or "ai.onnx")]
        if len(versions) > 1:
            yield f"imports the domain '{domain or 'ai.onnx'}' {len(versions)} times, versions {versions}"
    if not domains:
        yield "imports no domain"
    used = {("" if domain == "ai.onnx" else domain) for domain, _, _ in usages(model)}
    for domain in sorted(used - set(plain)):
        yield f"uses the domain '{domain or 'ai.onnx'}' without importing it"
    names = {tensor.name for tensor in model.graph.initializer}
    listed = [value.name for value in model.graph.input if value.name in names]
    if listed:
        yield f"lists {len(listed)} of {len(names)} initializers among the inputs"
    unused = names - {name for name in used_names(model.graph)}
    if unused:
        yield f"has {len(unused)} initializers that nothing uses"
    bare = sum(1 for node in all_nodes(model.graph) if not node.name)
    if bare:
        yield f"has {bare} nodes without a name"
    external = sum(1 for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL)
    if external:
        yield f"keeps {external} initializers in another file"
    if model.functions:
        yield f"has {len(model.functions)} functions of its own"
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        yield f"onnx.checker: {str(error).strip().splitlines()[0]}"
    try:
        shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:
        yield f"shape inference: {' '.join(str(error).split())[:300]}"


def all_nodes(graph):
    for node in graph.node:
        yield node
        for body in graphs_of(node):
            yield from all_nodes(body)


def used_names(graph):
    yield from (value.name for value in graph.output)
    for node in graph.node:
        yield from node.input
        for body in graphs_of(node):
            yield from used_names(body)


def shape_of(value):
    dims = value.type.tensor_type.shape.dim
    return "x".join(dim.dim_param or (str(dim.dim_value) if dim.HasField("dim_value") else "?") for dim in dims)


def describe(name, path, out=sys.stdout):
    """Prints one model: file, interface, oddities, one line for each operator."""
    model = onnx.load_from_string(path) if isinstance(path, bytes) else onnx.load(str(path))
    imports = ", ".join(f"{item.domain or 'ai.onnx'} {item.version}" for item in model.opset_import)
    print(f"== {name}: ir {model.ir_version}; {imports}; {model.producer_name} {model.producer_version}", file=out)
    initializers = {tensor.name for tensor in model.graph.initializer}
    for title, values in (("in ", model.graph.input), ("out", model.graph.output)):
        for value in values:
            if title == "out" or value.name not in initializers:
                print(f"   {title} {value.name}: {type_name(value.type)} {shape_of(value)}", file=out)
    for oddity in oddities(model):
        print(f"   odd {oddity}", file=out)
    for (domain, operator, version), usage in sorted(usages(model).items()):
        attributes = "; ".join(f"{key}={'|'.join(sorted(values)[:6])}" for key, values in
                               sorted(usage.attributes.items()) if key not in ("value",))
        print(f"   {domain or 'ai.onnx'} {operator} {version} x{usage.count} "
              f"{' | '.join(sorted(usage.signatures)[:6])}{' {' + attributes + '}' if attributes else ''}", file=out)
    return {key: usage.signatures for key, usage in usages(model).items()}


def summary(models, out=sys.stdout):
    """All operators of many models: how many models use each, with the types met."""
    where, types = defaultdict(list), defaultdict(set)
    for name, found in models.items():
        for key, signatures in found.items():
            where[key].append(name)
            types[key] |= signatures
    print(f"== all: {len(models)} models, {len({key[:2] for key in where})} operators", file=out)
    for key in sorted(where):
        domain, operator, version = key
        print(f"   {domain or 'ai.onnx'}\t{operator}\t{version}\t{len(where[key])}\t{','.join(where[key])}\t"
              f"{' | '.join(sorted(types[key])[:8])}", file=out)


def main(paths):
    summary({Path(path).stem: describe(Path(path).stem, path) for path in paths})


if __name__ == "__main__":
    main(sys.argv[1:])
