/* SPDX-License-Identifier: Apache-2.0
 *
 * The ops an export of ours is made of, as TensorFlow 2.15 registers them:
 * OP(name, inputs, outputs, attributes). An input or output is a dtype or the
 * attribute that holds it ("T"); "N*T" is N of them; "[Tdense]" one for each of
 * a list. An attribute is name:kind; "?" after it: it has a default, which an
 * export leaves out, and for a dtype that is used, "?int32" says which.
 * Source: the op registry of TensorFlow 2.15 (ops.pbtxt). */

#define UNARY_OP(name) OP(name, "T", "T", "T:type")
#define BINARY_OP(name) OP(name, "T T", "T", "T:type")
#define REDUCTION(name) \
    OP(name, "T Tidx", "T", "T:type Tidx:type?int32 keep_dims:bool?")

OP("Placeholder", "", "dtype", "dtype:type shape:shape?")
OP("Const", "", "dtype", "value:tensor dtype:type")
OP("NoOp", "", "", "")
UNARY_OP("Identity")
UNARY_OP("Relu")
UNARY_OP("Log1p")
UNARY_OP("OnesLike")
UNARY_OP("ZerosLike")
UNARY_OP("Relu6")
UNARY_OP("Elu")
UNARY_OP("Selu")
UNARY_OP("Softplus")
UNARY_OP("Softsign")
UNARY_OP("Sigmoid")
UNARY_OP("Tanh")
UNARY_OP("Exp")
UNARY_OP("Log")
UNARY_OP("Sqrt")
UNARY_OP("Rsqrt")
UNARY_OP("Square")
UNARY_OP("Abs")
UNARY_OP("Neg")
UNARY_OP("Erf")
UNARY_OP("Softmax")
UNARY_OP("L2Loss")
OP("LeakyRelu", "T", "T", "T:type?float32 alpha:float?")
BINARY_OP("AddV2")
BINARY_OP("Sub")
BINARY_OP("Mul")
BINARY_OP("RealDiv")
BINARY_OP("Maximum")
BINARY_OP("Minimum")
BINARY_OP("DivNoNan")
UNARY_OP("LogSoftmax")
OP("Greater", "T T", "bool", "T:type")
OP("GreaterEqual", "T T", "bool", "T:type")
OP("LessEqual", "T T", "bool", "T:type")
OP("All", "bool Tidx", "bool", "Tidx:type?int32 keep_dims:bool?")
OP("Assert", "bool [T]", "", "T:list(type) summarize:int?")
OP("Equal", "T T", "bool", "T:type incompatible_shape_error:bool?")
OP("LogicalAnd", "bool bool", "bool", "")
OP("Fill", "index_type T", "T", "T:type index_type:type?int32")
OP("BatchMatMulV2", "T T", "T", "T:type adj_x:bool? adj_y:bool?")
OP("FusedBatchNormV3",
   "T U U U U",
   "T U U U U U",
   "T:type U:type epsilon:float? exponential_avg_factor:float? "
   "data_format:string? is_training:bool?")
OP("MatMul", "T T", "T", "T:type transpose_a:bool? transpose_b:bool?")
OP("BiasAdd", "T T", "T", "T:type data_format:string?")
BINARY_OP("DivNoNan")
BINARY_OP("SquaredDifference")
OP("Equal", "T T", "bool", "T:type incompatible_shape_error:bool?")
OP("NotEqual", "T T", "bool", "T:type incompatible_shape_error:bool?")
OP("Less", "T T", "bool", "T:type")
OP("Greater", "T T", "bool", "T:type")
OP("LogicalAnd", "bool bool", "bool", "")
OP("LogicalNot", "bool", "bool", "")
OP("Any", "bool Tidx", "bool", "Tidx:type?int32 keep_dims:bool?")
OP("Select", "bool T T", "T", "T:type")
OP("Size", "T", "out_type", "T:type out_type:type?int32")
OP("Slice", "T Index Index", "T", "T:type Index:type")
OP("TopKV2",
   "T Tk",
   "T index_type",
   "T:type Tk:type?int32 index_type:type?int32 sorted:bool?")
OP("InTopKV2", "float32 T T", "bool", "T:type?int32")
OP("SoftmaxCrossEntropyWithLogits", "T T", "T T", "T:type")
OP("SparseSoftmaxCrossEntropyWithLogits",
   "T Tlabels",
   "T T",
   "T:type Tlabels:type?int64")
REDUCTION("Mean")
REDUCTION("Sum")
REDUCTION("Max")
REDUCTION("Min")
OP("ArgMax",
   "T Tidx",
   "output_type",
   "T:type Tidx:type?int32 output_type:type?int64")
OP("Conv2D",
   "T T",
   "T",
   "T:type strides:list(int) padding:string use_cudnn_on_gpu:bool? "
   "explicit_paddings:list(int)? data_format:string? dilations:list(int)?")
OP("DepthwiseConv2dNative",
   "T T",
   "T",
   "T:type strides:list(int) padding:string explicit_paddings:list(int)? "
   "data_format:string? dilations:list(int)?")
OP("MaxPool",
   "T",
   "T",
   "T:type?float32 ksize:list(int) strides:list(int) padding:string "
   "explicit_paddings:list(int)? data_format:string?")
OP("AvgPool",
   "T",
   "T",
   "T:type ksize:list(int) strides:list(int) padding:string "
   "data_format:string?")
OP("Reshape", "T Tshape", "T", "T:type Tshape:type?int32")
OP("ExpandDims", "T Tdim", "T", "T:type Tdim:type?int32")
OP("Shape", "T", "out_type", "T:type out_type:type?int32")
OP("StridedSlice",
   "T Index Index Index",
   "T",
   "T:type Index:type begin_mask:int? end_mask:int? ellipsis_mask:int? "
   "new_axis_mask:int? shrink_axis_mask:int?")
OP("Pack", "N*T", "T", "N:int T:type axis:int?")
OP("ConcatV2", "N*T Tidx", "T", "N:int T:type Tidx:type?int32")
OP("Tile", "T Tmultiples", "T", "T:type Tmultiples:type?int32")
OP("Transpose", "T Tperm", "T", "T:type Tperm:type?int32")
OP("Pad", "T Tpaddings", "T", "T:type Tpaddings:type?int32")
OP("GatherV2",
   "Tparams Tindices Taxis",
   "Tparams",
   "Tparams:type Tindices:type Taxis:type batch_dims:int?")
OP("OneHot", "TI int32 T T", "T", "T:type TI:type?int64 axis:int?")
OP("Cast", "SrcT", "DstT", "SrcT:type DstT:type Truncate:bool?")
OP("AsString",
   "T",
   "string",
   "T:type precision:int? scientific:bool? shortest:bool? width:int? "
   "fill:string?")
OP("DecodeRaw", "string", "out_type", "out_type:type little_endian:bool?")
OP("ParseExample",
   "string string Nsparse*string Ndense*string [Tdense]",
   "Nsparse*int64 [sparse_types] Nsparse*int64 [Tdense]",
   "Nsparse:int Ndense:int sparse_types:list(type) Tdense:list(type) "
   "dense_shapes:list(shape)")
OP("SparseToDense",
   "Tindices Tindices T T",
   "T",
   "T:type Tindices:type validate_indices:bool?")
OP("HashTableV2",
   "",
   "resource",
   "key_dtype:type value_dtype:type container:string? shared_name:string? "
   "use_node_name_sharing:bool?")
OP("InitializeTableFromTextFileV2",
   "resource string",
   "",
   "key_index:int value_index:int vocab_size:int? delimiter:string? "
   "offset:int?")
OP("LookupTableFindV2", "resource Tin Tout", "Tout", "Tin:type Tout:type")
OP("VarHandleOp",
   "",
   "resource",
   "dtype:type shape:shape container:string? shared_name:string? "
   "debug_name:string? allowed_devices:list(string)?")
OP("ReadVariableOp", "resource", "dtype", "dtype:type")
OP("AssignAddVariableOp", "resource dtype", "", "dtype:type")
OP("AssignVariableOp", "resource dtype", "", "dtype:type validate_shape:bool?")
OP("RestoreV2", "string string string", "[dtypes]", "dtypes:list(type)")

#undef UNARY_OP
#undef BINARY_OP
#undef REDUCTION
