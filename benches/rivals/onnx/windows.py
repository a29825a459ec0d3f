"""The log-key network on ONNX Runtime, beside knothole.

    windows.py WEIGHTS KEYS    WEIGHTS: the parameters one after the other, 32-bit floats

It prints the log-probabilities after the first window as JSON. Then for each line it reads, a
number of windows, it answers them and prints how many and the seconds of processor time.
"""

import json
import sys
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HIDDEN, WINDOW = 64, 10
# The best of 1, 32, 128, 256, 1,024 and 2,048 on a Zen 5.
BATCH = 32


def parameters(path, keys):
    gates = 4 * HIDDEN
    shapes = [gates, (keys, gates), (HIDDEN, gates)]
    shapes += [gates, (HIDDEN, gates), (HIDDEN, gates)]
    shapes += [keys, (HIDDEN, keys)]
    values = np.fromfile(path, dtype="<f4")
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(values, cuts), shapes)]


def gates(matrix):
    """Input, forget, new, output to ONNX's input, output, forget, new; a row for each gate."""
    i, f, n, o = np.split(matrix.T, 4)
    return np.concatenate([i, o, f, n])[None]


def session(weights, keys):
    bias0, input0, recurrent0, bias1, input1, recurrent1, out_bias, out = weights
    bias = lambda values: np.concatenate([gates(values), np.zeros((1, 4 * HIDDEN), "f4")], axis=1)
    constants = {
        "one_hot": np.eye(keys, dtype="f4"),
        "w0": gates(input0), "r0": gates(recurrent0), "b0": bias(bias0),
        "w1": gates(input1), "r1": gates(recurrent1), "b1": bias(bias1),
        "out": out, "out_bias": out_bias,
        "axis": np.array([1]), "first": np.array(0),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["one_hot", "keys"], ["x"]),
        node("LSTM", ["x", "w0", "r0", "b0"], ["y"], hidden_size=HIDDEN),
        node("Squeeze", ["y", "axis"], ["lower"]),
        node("LSTM", ["lower", "w1", "r1", "b1"], ["", "upper"], hidden_size=HIDDEN),
        node("Gather", ["upper", "first"], ["last"], axis=0),
        node("Gemm", ["last", "out", "out_bias"], ["logits"]),
        node("LogSoftmax", ["logits"], ["answer"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "log_keys",
        [helper.make_tensor_value_info("keys", TensorProto.INT64, [WINDOW, None])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, keys])],
        [numpy_helper.from_array(v.copy(order="C"), n) for n, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def main():
    path, keys = sys.argv[1], int(sys.argv[2])
    network = session(parameters(path, keys), keys)
    first = np.arange(WINDOW, dtype=np.int64)[:, None] % keys
    print(json.dumps(network.run(None, {"keys": first})[0][0].tolist()), flush=True)
    windows = np.random.default_rng(0).integers(0, keys, (WINDOW, BATCH))
    for line in sys.stdin:
        rounds = max(int(line) // BATCH, 1)
        began = time.process_time()
        for _ in range(rounds):
            network.run(None, {"keys": windows})
        print(json.dumps([rounds * BATCH, time.process_time() - began]), flush=True)


main()
