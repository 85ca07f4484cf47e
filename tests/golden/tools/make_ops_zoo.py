"""Makes tests/golden/saved_models/ops_zoo with TensorFlow 2.15: one export whose
outputs are what the executor's ops give, corner cases among them.

    python make_ops_zoo.py OUT_DIR
"""
import base64
import json
import os
import subprocess
import sys

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
R = tf.raw_ops
tf1.disable_eager_execution()
out = os.path.join(sys.argv[1], "ops_zoo")
g = tf1.Graph()
outputs = {}


def add(name, *tensors):
    for i, t in enumerate(tensors):
        key = "%s_%d" % (name, i) if len(tensors) > 1 else name
        assert key not in outputs, key
        outputs[key] = t


with g.as_default():
    x = tf1.placeholder(tf.float32, [None, 3], name="x")
    f = tf.constant([-2.5, -1.0, -0.0, 0.5, 3.0, 7.0])
    i = tf.constant([-7, -2, 0, 3, 5, 11])
    l = tf.constant([-7, -2, 0, 3, 5, 2**40], tf.int64)
    s = tf.constant(["", "a", "b\x00c", "paris", "t1", "x" * 70])
    add("feed", x * 2.0)
    for op in ["Neg", "Abs", "Exp", "Expm1", "Square", "Sigmoid", "Tanh", "Floor", "Ceil", "Round", "Rint", "Sign", "Erf", "Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign"]:
        fn = getattr(R, op)
        arg = {"Relu": "features", "Relu6": "features", "Elu": "features", "Selu": "features", "Softplus": "features", "Softsign": "features"}.get(op, "x")
        add(op.lower(), fn(**{arg: f}))
    p = tf.constant([0.25, 1.0, 3.0])
    for op in ["Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal"]:
        add(op.lower(), getattr(R, op)(x=p))
    add("leaky", R.LeakyRelu(features=f, alpha=0.3))
    a, b = tf.constant([[1.0, -2.0, 3.0]]), tf.constant([[2.0], [-0.5]])
    ia, ib = tf.constant([[7, -7, 3]]), tf.constant([[2], [-3]])
    for op in ["Add", "AddV2", "Sub", "Mul", "RealDiv", "FloorDiv", "FloorMod", "Maximum", "Minimum", "SquaredDifference"]:
        add(op.lower() + "_f", getattr(R, op)(x=a, y=b))
        if op not in ("RealDiv",):
            add(op.lower() + "_i", getattr(R, op)(x=ia, y=ib))
    add("pow_f", R.Pow(x=tf.constant([2.0, 9.0]), y=tf.constant([3.0, 0.5])))
    add("pow_i", R.Pow(x=tf.constant([2, -3]), y=tf.constant([10, 3])))
    for op in ["Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"]:
        add(op.lower() + "_f", getattr(R, op)(x=tf.constant([1.0, 2.0, np.nan]), y=tf.constant([1.0, 3.0, np.nan])))
        add(op.lower() + "_i", getattr(R, op)(x=ia, y=ib))
    add("equal_s", R.Equal(x=s, y=tf.constant("paris")))
    t, u = tf.constant([True, False, True]), tf.constant([[True], [False]])
    add("and", R.LogicalAnd(x=t, y=u)); add("or", R.LogicalOr(x=t, y=u)); add("not", R.LogicalNot(x=t))
    add("add_n", R.AddN(inputs=[f, f, f]))
    for dst in [tf.int32, tf.int64, tf.bool, tf.float64, tf.uint8]:
        add("cast_f_" + dst.name, R.Cast(x=tf.constant([0.0, 1.9, 3.0]), DstT=dst))
    add("cast_b", R.Cast(x=t, DstT=tf.float32)); add("cast_l", R.Cast(x=l, DstT=tf.float32))
    add("select_v2", R.SelectV2(condition=u, t=tf.constant([1, 2, 3]), e=tf.constant(0)))
    add("select", R.Select(condition=tf.constant([True, False]), x=tf.constant([[1, 2], [3, 4]]), y=tf.constant([[5, 6], [7, 8]])))
    add("select_s", R.SelectV2(condition=tf.constant([True, False]), t=tf.constant(["ab", "c"]), e=tf.constant(["d", "ef"])))
    c = tf.constant(np.arange(24).reshape(2, 3, 4), tf.float32)
    for op in ["Sum", "Mean", "Max", "Min", "Prod"]:
        add(op.lower(), getattr(R, op)(input=c, axis=[0, -1]))
        add(op.lower() + "_keep", getattr(R, op)(input=c, axis=1, keep_dims=True))
        add(op.lower() + "_none", getattr(R, op)(input=c, axis=tf.constant([], tf.int32)))
        add(op.lower() + "_i", getattr(R, op)(input=l, axis=0))
    add("all", R.All(input=t, axis=0)); add("any", R.Any(input=u, axis=1))
    add("argmax", R.ArgMax(input=c, dimension=1)); add("argmin", R.ArgMin(input=c, dimension=-1, output_type=tf.int32))
    add("argmax_tie", R.ArgMax(input=tf.constant([[1.0, 5.0, 5.0]]), dimension=1))
    add("topk", *R.TopKV2(input=tf.constant([[1.0, 5.0, 5.0, 2.0], [4.0, 3.0, 2.0, 9.0]]), k=3))
    add("reshape", R.Reshape(tensor=c, shape=[4, -1])); add("shape", R.Shape(input=c)); add("shape_l", R.Shape(input=c, out_type=tf.int64))
    add("size", R.Size(input=c)); add("rank", R.Rank(input=c)); add("expand", R.ExpandDims(input=f, axis=-1))
    add("squeeze", R.Squeeze(input=tf.constant([[[1], [2]]]), axis=[0])); add("squeeze_all", R.Squeeze(input=tf.constant([[[1], [2]]]), axis=[]))
    add("fill", R.Fill(dims=[2, 2], value="zz")); add("zeros", R.ZerosLike(x=i)); add("zeros_s", R.ZerosLike(x=s)); add("ones", R.OnesLike(x=f))
    add("range", R.Range(start=3, limit=11, delta=3)); add("range_down", R.Range(start=1.0, limit=-1.0, delta=-0.5))
    add("one_hot", R.OneHot(indices=[0, 2, -1, 5], depth=3, on_value=1.0, off_value=-1.0))
    add("one_hot_0", R.OneHot(indices=[[0, 2]], depth=3, on_value=5, off_value=0, axis=0))
    add("pack", R.Pack(values=[f, f], axis=1)); add("pack_s", R.Pack(values=[s, s]))
    add("unpack", *R.Unpack(value=c, num=3, axis=1)); add("concat", R.ConcatV2(values=[c, c], axis=1)); add("concat_s", R.ConcatV2(values=[s, s], axis=0))
    add("split", *R.Split(axis=2, value=c, num_split=2))
    add("slice", R.Slice(input=c, begin=[0, 1, 1], size=[1, -1, 2]))
    add("ss_1", c[:, 1:, ::-2]); add("ss_2", c[..., -1]); add("ss_3", c[1, tf.newaxis, :, 2:]); add("ss_4", c[-1:0:-1]); add("ss_5", s[1:4]); add("ss_6", c[0, 1, 2])
    add("tile", R.Tile(input=tf.constant([[1, 2]]), multiples=[2, 3])); add("tile_s", R.Tile(input=s, multiples=[2]))
    add("transpose", R.Transpose(x=c, perm=[2, 0, 1]))
    add("gather", R.GatherV2(params=c, indices=[[2, 0]], axis=1)); add("gather_s", R.GatherV2(params=s, indices=[3, 3, 0], axis=0))
    add("gather_nd", R.GatherNd(params=c, indices=[[0, 1], [1, 2]])); add("pad", R.Pad(input=tf.constant([[1, 2]]), paddings=[[1, 0], [0, 2]]))
    add("pad_v2", R.PadV2(input=tf.constant([[1, 2]]), paddings=[[1, 0], [0, 2]], constant_values=9))
    add("decode_raw", R.DecodeRaw(bytes=tf.constant([b"\x01\x02\x03\x04", b"\xff\x00\x00\x80"]), out_type=tf.uint8))
    add("matmul", R.MatMul(a=c[0], b=c[1], transpose_b=True)); add("matmul_t", R.MatMul(a=c[0], b=c[1], transpose_a=True))
    add("bias", R.BiasAdd(value=c, bias=tf.constant([1.0, 2.0, 3.0, 4.0])))
    img = tf.constant(np.sin(np.arange(2 * 5 * 6 * 2)).reshape(2, 5, 6, 2), tf.float32)
    flt = tf.constant(np.cos(np.arange(3 * 2 * 2 * 3)).reshape(3, 2, 2, 3), tf.float32)
    for pad in ["SAME", "VALID"]:
        add("conv_" + pad.lower(), R.Conv2D(input=img, filter=flt, strides=[1, 2, 1, 1], padding=pad))
        add("depth_" + pad.lower(), R.DepthwiseConv2dNative(input=img, filter=flt, strides=[1, 2, 2, 1], padding=pad))
        add("maxp_" + pad.lower(), R.MaxPool(input=img, ksize=[1, 3, 2, 1], strides=[1, 2, 2, 1], padding=pad))
        add("avgp_" + pad.lower(), R.AvgPool(value=img, ksize=[1, 3, 2, 1], strides=[1, 2, 2, 1], padding=pad))
    add("norm", R.FusedBatchNormV3(x=img, scale=[1.0, 2.0], offset=[0.5, 0.0], mean=[0.1, -0.1], variance=[1.0, 2.0], is_training=False, epsilon=0.001)[0])
    add("softmax", R.Softmax(logits=c[0])); add("log_softmax", R.LogSoftmax(logits=c[0]))
    for kw in [{}, {"precision": 2}, {"scientific": True}, {"shortest": True}, {"width": 12}, {"width": 12, "fill": "0"}, {"width": 12, "fill": "-", "precision": 1}]:
        add("as_string_f_%d" % len([k for k in outputs if k.startswith("as_string_f")]), R.AsString(input=f, **kw))
    for kw in [{}, {"width": 5}, {"width": 5, "fill": "0"}, {"fill": "+"}, {"width": 5, "fill": "-"}]:
        add("as_string_i_%d" % len([k for k in outputs if k.startswith("as_string_i")]), R.AsString(input=i, **kw))
    add("as_string_l", R.AsString(input=l)); add("as_string_b", R.AsString(input=t))
    add("to_number", R.StringToNumber(string_tensor=["1.5", "-2e3", " 7"])); add("to_number_i", R.StringToNumber(string_tensor=["15", "-2"], out_type=tf.int64))
    add("hash_fast", R.StringToHashBucketFast(input=s, num_buckets=1000)); add("hash_strong", R.StringToHashBucketStrong(input=s, num_buckets=1000, key=[3, -5]))
    add("join", R.StringJoin(inputs=[s, tf.constant("!"), s], separator="-"))
    ind = tf.constant([[0, 0], [0, 2], [3, 1]], tf.int64)
    add("sp_reshape", *R.SparseReshape(input_indices=ind, input_shape=tf.constant([4, 3], tf.int64), new_shape=tf.constant([2, -1], tf.int64)))
    add("sp_fill", *R.SparseFillEmptyRows(indices=ind, values=tf.constant([5, 6, 7], tf.int64), dense_shape=tf.constant([5, 3], tf.int64), default_value=tf.constant(-9, tf.int64)))
    add("sp_fill_s", *R.SparseFillEmptyRows(indices=ind, values=tf.constant(["p", "q", "r"]), dense_shape=tf.constant([4, 3], tf.int64), default_value=""))
    add("sp_fill_0", *R.SparseFillEmptyRows(indices=tf.zeros([0, 2], tf.int64), values=tf.constant([], tf.int64), dense_shape=tf.constant([2, 0], tf.int64), default_value=tf.constant(4, tf.int64)))
    add("sp_dense", R.SparseToDense(sparse_indices=ind, output_shape=tf.constant([4, 3], tf.int64), sparse_values=tf.constant(["p", "q", "r"]), default_value="-"))
    add("sp_dense_1", R.SparseToDense(sparse_indices=tf.constant([1, 3]), output_shape=tf.constant([5]), sparse_values=tf.constant(2.5), default_value=0.0))
    for op in ["SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"]:
        add(op.lower(), getattr(R, op)(data=c[0], indices=[2, 0, 1, 1], segment_ids=[0, 0, 2, 2]))
        add(op.lower() + "_0", getattr(R, op)(data=c[0], indices=tf.constant([], tf.int32), segment_ids=tf.constant([], tf.int32)))
    add("seg_sum", R.SegmentSum(data=c[0], segment_ids=[0, 0, 2])); add("seg_mean", R.SegmentMean(data=c[0], segment_ids=[0, 0, 2]))
    add("where", R.Where(condition=u)); add("where_f", R.Where(condition=tf.constant([[0.0, 2.0], [-1.0, 0.0]])))
    add("bucketize", R.Bucketize(input=f, boundaries=[-1.0, 0.0, 3.0])); add("bucketize_l", R.Bucketize(input=l, boundaries=[-2.0, 5.0]))
    add("unique", *R.Unique(x=[5, 3, 5, 9, 3])); add("unique_s", *R.Unique(x=tf.constant(["b", "a", "b", ""]), out_idx=tf.int64))
    add("cross", *R.SparseCross(indices=[ind], values=[tf.constant(["p", "q", "r"])], shapes=[tf.constant([4, 3], tf.int64)], dense_inputs=[tf.constant([[1], [2], [3], [4]], tf.int64)], hashed_output=True, num_buckets=100, hash_key=956888297470, out_type=tf.int64, internal_type=tf.int64))
    add("cross_s", *R.SparseCross(indices=[], values=[], shapes=[], dense_inputs=[tf.constant([["a", "b"]]), tf.constant([["c", "d"]])], hashed_output=False, num_buckets=0, hash_key=956888297470, out_type=tf.string, internal_type=tf.string))
    h = R.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="words")
    init = R.LookupTableImportV2(table_handle=h, keys=tf.constant(["a", "t1", ""]), values=tf.constant([10, 11, 12], tf.int64))
    h2 = R.HashTableV2(key_dtype=tf.int64, value_dtype=tf.string, shared_name="back")
    init2 = R.InitializeTableV2(table_handle=h2, keys=tf.constant([1, 2**40], tf.int64), values=tf.constant(["one", "big"]))
    add("find", R.LookupTableFindV2(table_handle=h, keys=s, default_value=tf.constant(-1, tf.int64)))
    add("find_back", R.LookupTableFindV2(table_handle=h2, keys=l, default_value="?")); add("table_size", R.LookupTableSizeV2(table_handle=h))
    # A vocabulary file of columns as an asset.
    os.makedirs("/tmp/zoo", exist_ok=True)
    with open("/tmp/zoo/columns.txt", "w") as fh:
        fh.write("red 4\ngreen\t5 6\nblue 7")
    name = tf.constant("/tmp/zoo/columns.txt", name="vocabulary_file")
    tf1.add_to_collection(tf1.GraphKeys.ASSET_FILEPATHS, name)
    h3 = R.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="file")
    init3 = R.InitializeTableFromTextFileV2(table_handle=h3, filename=name, key_index=0, value_index=-1, vocab_size=3, delimiter=" ")
    add("find_file", R.LookupTableFindV2(table_handle=h3, keys=tf.constant(["red", "green\t5", "blue", "4"]), default_value=tf.constant(-1, tf.int64)))
    ex = [tf.train.Example(features=tf.train.Features(feature={"d": tf.train.Feature(float_list=tf.train.FloatList(value=[k, k + 1])), "v": tf.train.Feature(int64_list=tf.train.Int64List(value=range(k))), "r": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"q"] * k))})).SerializeToString() for k in (0, 2, 1)]
    ser = tf.constant(ex)
    add("parse", *[t for group in R.ParseExample(serialized=ser, names=tf.constant([], tf.string), sparse_keys=["v"], dense_keys=["d", "m"], dense_defaults=[tf.constant([], tf.float32), tf.constant([7], tf.int64)], sparse_types=[tf.int64], dense_shapes=[[2], [1]]) for t in group])
    v2 = R.ParseExampleV2(serialized=ser, names=tf.constant([], tf.string), sparse_keys=["v"], dense_keys=["d", "q"], ragged_keys=["r"], dense_defaults=[tf.constant([], tf.float32), tf.constant([0.5])], num_sparse=1, sparse_types=[tf.int64], ragged_value_types=[tf.string], ragged_split_types=[tf.int32], dense_shapes=[[2], [None, 1]])
    add("parse_v2", *[t for group in v2 for t in group])
    main = tf.group(init, init2, init3, name="init_tables")
    sig = tf1.saved_model.signature_def_utils.build_signature_def({"x": tf1.saved_model.utils.build_tensor_info(x)}, {k: tf1.saved_model.utils.build_tensor_info(v) for k, v in outputs.items()}, "tensorflow/serving/predict")
    with tf1.Session() as sess:
        version = "1700000000"
        d = os.path.join(out, "saved_model", version)
        builder = tf1.saved_model.builder.SavedModelBuilder(d)
        builder.add_meta_graph_and_variables(sess, ["serve"], {"serving_default": sig}, assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS), main_op=main, strip_default_attrs=True)
        builder.save()
        sess.run(main)
        feed = np.array([[1.0, -2.0, 0.5], [3.0, 4.0, 5.0]], np.float32)
        got = sess.run(outputs, {x: feed})


def num(v):
    if isinstance(v, (float, np.floating)):
        if np.isnan(v):
            return "NaN"
        if np.isinf(v):
            return "Infinity" if v > 0 else "-Infinity"
        return float("%.9g" % v) if isinstance(v, np.float32) else float(v)
    return bool(v) if isinstance(v, (bool, np.bool_)) else int(v)


def tensor(a):
    a = np.asarray(a)
    if a.dtype == object or a.dtype.kind in "SU":
        return {"dtype": "string", "shape": list(a.shape), "values": [base64.b64encode(v if isinstance(v, bytes) else v.encode()).decode() for v in a.reshape(-1)]}
    return {"dtype": a.dtype.name, "shape": list(a.shape), "values": [num(v) for v in a.reshape(-1)]}


expected = {"tensorflow": tf.__version__, "what": "ops of the executor", "version": version,
            "meta_graph": {"saved_model_schema_version": 1, "tags": ["serve"], "tensorflow_version": tf.__version__, "stripped_default_attrs": True},
            "feeds": {"x": tensor(feed)},
            "signatures": {"serving_default": {"method_name": "tensorflow/serving/predict", "inputs": {"x": {"name": "x:0", "dtype": "float32", "shape": [-1, 3]}},
                                               "outputs": {k: {"name": outputs[k].name, "value": tensor(v)} for k, v in got.items()}}}}
with open(os.path.join(out, "expected.json"), "w") as fh:
    json.dump(expected, fh, separators=(",", ":"))
cli = os.path.join(os.path.dirname(sys.executable), "saved_model_cli")
with open(os.path.join(out, "saved_model_cli_show.txt"), "w") as fh:
    fh.write(subprocess.run([cli, "show", "--dir", d, "--all"], capture_output=True, text=True).stdout)
print(len(outputs), "outputs")
