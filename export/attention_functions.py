"""The attention operators' meaning in standard ONNX operators: the model-local functions of `model.onnx`.

Any runtime that does not know `dynast::InterScaleAttention` and `dynast::InnerScaleAttention` runs these bodies. They
follow `dynast_deploy.attention`, and compute in float32 whatever the storage type. Shapes as in the plugins' README:
query `[N, Lq, C]`, query_prune `[N, Lq, P]`, key `[E, Lk, C]`, key_prune `[E, Lk, P]`, value `[E, Lk, V]`, matches
int32 `[N, Lq/4, K]` (inter-scale) or `[N, Lq, K]` (inner-scale); E is 1 or N.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import TensorProto, helper

from dynast_deploy.export.graph import Graph
from dynast_deploy.formats.onnx_model import DOMAIN

OPSET = 18
INPUTS = ["query", "query_prune", "key", "key_prune", "value", "matches"]
OUTPUTS = ["attended", "confidence", "next_matches"]
ATTRIBUTES = ["query_width", "key_width", "top_k", "temperature", "plugin_namespace", "plugin_version", "aot"]


def attention_functions() -> list[onnx.FunctionProto]:
    """The functions of both attention operators, to be put into a model."""
    return [_function("InterScaleAttention", _inter_scale), _function("InnerScaleAttention", _inner_scale)]


def is_kept(graph: Graph, prune_logits: str, number: Callable[[float], str]) -> str:
    """The mask's rule in an exported graph: a boolean tensor of the shape of `prune_logits`, true for what contributes.

    `dynast_deploy.attention.keep_mask` is the reference. `number` makes a constant of the type of `prune_logits`.
    """
    return graph.op("Greater", prune_logits, number(0))


class _Body(Graph):
    """A function body: constants become nodes, since a function has no initializers."""

    def constant(self, values: object, name: str = "constant", dtype: object = None) -> str:
        if isinstance(values, list):
            return self.op("Constant", name=name, value_ints=values)
        if isinstance(values, float):
            return self.op("Constant", name=name, value_float=values)
        return self.op("Constant", name=name, value_int=values)

    def attribute(self, name: str, field: str) -> str:
        """The value of one of the node's own attributes."""
        node = helper.make_node("Constant", [], [self.unique(name)], name=f"attribute_{name}")
        reference = onnx.AttributeProto(name=field, ref_attr_name=name)
        reference.type = onnx.AttributeProto.FLOAT if field == "value_float" else onnx.AttributeProto.INT
        node.attribute.append(reference)
        self.nodes.append(node)
        return str(node.output[0])

    def width_of(self, x: str) -> str:
        """Length of the last axis, as a vector of one."""
        return self.op("Shape", x, start=-1)

    def tokens(self, table: str, candidates: str) -> str:
        """Rows of `table [E, L, C]` by `candidates [N, G, M]`: `[N, G, M, C]`, float32."""
        zero, one = self.constant(0), self.constant(1)
        frames = self.op("Squeeze", self.op("Shape", candidates, start=0, end=1))
        exemplars = self.op("Shape", table, start=0, end=1)
        length = self.op("Shape", table, start=1, end=2)
        offsets = self.op(
            "Mul", self.op("Mod", self.op("Range", zero, frames, one), exemplars), length, name="offsets"
        )
        offsets = self.op("Unsqueeze", offsets, self.constant([1, 2]))
        rows = self.op(
            "Reshape",
            table,
            self.op("Concat", self.constant([-1]), self.width_of(table), axis=0),
            name="rows",
        )
        return self.float32(self.op("Gather", rows, self.op("Add", candidates, offsets), axis=0))

    def float32(self, x: str) -> str:
        return self.op("Cast", x, to=TensorProto.FLOAT)

    def attend(self, query: str, query_prune: str, candidates: str) -> tuple[str, str, str]:
        """Queries `[N, G, Q, C]` of G groups with `candidates [N, G, M]` each.

        Returns attended `[N, G, Q, V]`, confidence `[N, G, Q, 1]` and indices into the candidates `[N, G, Q, K]`.
        """
        logits = self.op(
            "Div",
            self._dot(query, self.tokens("key", candidates)),
            self.attribute("temperature", "value_float"),
            name="logits",
        )
        prune_logits = self._dot(query_prune, self.tokens("key_prune", candidates))
        keeps = is_kept(
            self, prune_logits, lambda number: self.op("CastLike", self.constant(number), prune_logits)
        )
        mask = self.op("CastLike", keeps, logits, name="mask")
        kept = self.op("Mul", self.op("Softmax", logits, axis=-1), mask, name="kept")
        attended = self.op("MatMul", kept, self.tokens("value", candidates), name="sum")
        confidence = self.op("ReduceSum", kept, self.constant([-1]), keepdims=1)
        top_k = self.op("Reshape", self.attribute("top_k", "value_int"), self.constant([1]))
        best = self.unique("best")
        self.op("TopK", logits, top_k, outputs=[self.unique("best_logits"), best], axis=-1)
        return attended, confidence, best

    def _dot(self, query: str, keys: str) -> str:
        return self.op(
            "MatMul", self.float32(query), self.op("Transpose", keys, perm=[0, 1, 3, 2]), name="dot"
        )

    def windowed(self, x: str) -> str:
        """Tokens `[N, Lq, C]` -> 2x2 windows `[N, Lq/4, 4, C]`."""
        half = self.half_width()
        shape = self._shape(0, -1, 2, half, 2, self.width_of(x))
        x = self.op("Transpose", self.op("Reshape", x, shape), perm=[0, 1, 3, 2, 4, 5])
        # 0 keeps the batch, so it may not be a number of frames that is not known here.
        return self.op("Reshape", x, self._shape(self._batch(x), -1, 4, self.width_of(x)))

    def unwindowed(self, x: str) -> str:
        """2x2 windows `[N, Lq/4, 4, C]` -> tokens `[N, Lq, C]`."""
        half = self.half_width()
        windows = self.op("Reshape", x, self._shape(0, -1, half, 2, 2, self.width_of(x)))
        tokens = self.op("Transpose", windows, perm=[0, 1, 3, 2, 4, 5])
        return self.op("Reshape", tokens, self._shape(self._batch(x), -1, self.width_of(x)))

    def half_width(self) -> str:
        width = self.attribute("query_width", "value_int")
        return self.op("Reshape", self.op("Div", width, self.constant(2)), self.constant([1]))

    def _batch(self, x: str) -> str:
        return self.op("Shape", x, start=0, end=1)

    def _shape(self, *parts: int | str) -> str:
        return self.op(
            "Concat", *(p if isinstance(p, str) else self.constant([p]) for p in parts), axis=0, name="shape"
        )

    def results(self, attended: str, confidence: str, matches: str) -> None:
        self.op("CastLike", attended, "query", outputs=["attended"])
        self.op("CastLike", confidence, "query", outputs=["confidence"])
        self.op("Cast", matches, outputs=["next_matches"], to=TensorProto.INT32)


def _inter_scale(body: _Body) -> None:
    matches = body.op("Cast", "matches", to=TensorProto.INT64)
    key_width = body.attribute("key_width", "value_int")
    one, two = body.constant(1), body.constant(2)
    coarse_width = body.op("Div", key_width, two, name="coarse_width")
    row = body.op("Div", matches, coarse_width, name="row")
    column = body.op("Sub", matches, body.op("Mul", row, coarse_width), name="column")
    top_left = body.op(
        "Add",
        body.op("Mul", row, body.op("Mul", key_width, two)),
        body.op("Mul", column, two),
        name="top_left",
    )
    below = body.op("Add", top_left, key_width)
    children = [top_left, body.op("Add", top_left, one), below, body.op("Add", below, one)]
    last = body.constant([-1])
    stacked = body.op("Concat", *(body.op("Unsqueeze", child, last) for child in children), axis=-1)
    candidates = body.op("Reshape", stacked, body.constant([0, 0, -1]), name="candidates")

    attended, confidence, best = body.attend(body.windowed("query"), body.windowed("query_prune"), candidates)
    # The four queries of a window share their candidates.
    four = body._shape(1, 1, 4, 1)
    shared = body.op("Expand", body.op("Unsqueeze", candidates, body.constant([2])), four)
    chosen = body.op("GatherElements", shared, best, axis=-1)
    body.results(body.unwindowed(attended), body.unwindowed(confidence), body.unwindowed(chosen))


def _inner_scale(body: _Body) -> None:
    key_width = body.attribute("key_width", "value_int")
    width = body.op("Reshape", body.attribute("query_width", "value_int"), body.constant([1]))
    grid_shape = body._shape(0, -1, width, body.width_of("matches"))
    grid = body.op(
        "Reshape", body.op("Cast", "matches", to=TensorProto.INT64), grid_shape, name="matches_grid"
    )
    row = body.op("Div", grid, key_width, name="row")
    column = body.op("Sub", grid, body.op("Mul", row, key_width), name="column")
    zero, one = body.constant(0), body.constant(1)
    key_height = body.op("Div", body.op("Squeeze", body.op("Shape", "key", start=1, end=2)), key_width)
    last_row = body.op("Sub", key_height, one, name="last_row")
    last_column = body.op("Sub", key_width, one, name="last_column")

    def neighbour(x: str, axis: int, before: bool) -> str:
        """x shifted by one along an axis of the grid; beyond the border a query is its own neighbour."""
        ends, axes = body.constant([2**31 - 1]), body.constant([axis])
        first, last = body.constant([0]), body.constant([-1])
        if before:
            edge = body.op("Slice", x, first, body.constant([1]), axes)
            return body.op("Concat", edge, body.op("Slice", x, first, last, axes), axis=axis)
        edge = body.op("Slice", x, last, ends, axes)
        return body.op("Concat", body.op("Slice", x, body.constant([1]), ends, axes), edge, axis=axis)

    def key_at(row: str, column: str) -> str:
        return body.op("Add", body.op("Mul", row, key_width), column)

    proposals = [grid]
    for before in (True, False):
        r, c = neighbour(row, 1, before), neighbour(column, 1, before)
        moved = (
            body.op("Min", body.op("Add", r, one), last_row)
            if before
            else body.op("Max", body.op("Sub", r, one), zero)
        )
        proposals.append(key_at(moved, c))
    for before in (True, False):
        r, c = neighbour(row, 2, before), neighbour(column, 2, before)
        moved = (
            body.op("Min", body.op("Add", c, one), last_column)
            if before
            else body.op("Max", body.op("Sub", c, one), zero)
        )
        proposals.append(key_at(r, moved))
    joined = body.op("Concat", *proposals, axis=-1)
    length = body.op("Shape", "query", start=1, end=2)
    candidates = body.op("Reshape", joined, body._shape(0, length, -1), name="candidates")

    axis = body.constant([2])
    attended, confidence, best = body.attend(
        body.op("Unsqueeze", "query", axis), body.op("Unsqueeze", "query_prune", axis), candidates
    )
    chosen = body.op("GatherElements", candidates, body.op("Squeeze", best, axis), axis=-1)
    body.results(body.op("Squeeze", attended, axis), body.op("Squeeze", confidence, axis), chosen)


def _function(name: str, write: object) -> onnx.FunctionProto:
    body = _Body()
    body._taken.update([*INPUTS, *OUTPUTS])
    write(body)  # type: ignore[operator]
    return helper.make_function(
        DOMAIN,
        name,
        INPUTS,
        OUTPUTS,
        body.nodes,
        opset_imports=[helper.make_opsetid("", OPSET)],
        attributes=ATTRIBUTES,
    )
