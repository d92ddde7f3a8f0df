#include "engine/io/onnx.h"

#include <bit>
#include <limits>
#include <string_view>

#include "engine/error.h"
#include "engine/io/file.h"

namespace espalier {
namespace {

constexpr int64_t ir_version = 8, operator_set = 17;
constexpr size_t max_bytes = std::numeric_limits<int32_t>::max();

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

// A message of Protocol Buffers: fields by number, each with its wire type. Field numbers below are
// those of onnx.proto.
class Message {
 public:
  void integer(uint32_t field, int64_t value) {
    tag(field, varint_type);
    varint(static_cast<uint64_t>(value));
  }
  void real(uint32_t field, float value) {
    tag(field, fixed32_type);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift & 0xff);
  }
  void text(uint32_t field, std::string_view value) {
    tag(field, length_type);
    varint(value.size());
    bytes_ += value;
  }
  void message(uint32_t field, const Message& value) { text(field, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  static constexpr uint32_t varint_type = 0, length_type = 2, fixed32_type = 5;

  void tag(uint32_t field, uint32_t type) { varint(field << 3 | type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

// TensorProto.DataType
int64_t type_number(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 1;
    case DType::u8:
      return 2;
    case DType::s8:
      return 3;
    case DType::s16:
      return 5;
    case DType::s32:
      return 6;
    case DType::s64:
      return 7;
    case DType::boolean:
      return 9;
    case DType::f16:
      return 10;
    case DType::f64:
      return 11;
    case DType::bf16:
      return 16;
  }
  return 0;
}

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(tensor.numel()) * dtype_size(tensor.dtype());
}

// AttributeProto
Message attribute_message(const OnnxAttribute& attribute) {
  Message out;
  out.text(1, attribute.name);
  constexpr int64_t float_type = 1, int_type = 2, ints_type = 7;
  if (const auto* real = std::get_if<double>(&attribute.value)) {
    out.real(2, static_cast<float>(*real));
    out.integer(20, float_type);
  } else if (const auto* integer = std::get_if<int64_t>(&attribute.value)) {
    out.integer(3, *integer);
    out.integer(20, int_type);
  } else {
    for (int64_t value : std::get<std::vector<int64_t>>(attribute.value)) out.integer(8, value);
    out.integer(20, ints_type);
  }
  return out;
}

// NodeProto
Message node_message(const OnnxNode& node) {
  Message out;
  for (const std::string& input : node.inputs) out.text(1, input);
  for (const std::string& output : node.outputs) out.text(2, output);
  out.text(3, node.name);
  out.text(4, node.type);
  for (const OnnxAttribute& attribute : node.attributes)
    out.message(5, attribute_message(attribute));
  return out;
}

// TensorProto
Message tensor_message(const std::string& name, const Tensor& tensor) {
  Message out;
  for (int64_t dim : tensor.shape()) out.integer(1, dim);
  out.integer(2, type_number(tensor.dtype()));
  out.text(8, name);
  out.text(9, {reinterpret_cast<const char*>(tensor.bytes()), bytes_of(tensor)});
  return out;
}

// ValueInfoProto, whose TypeProto holds a TypeProto.Tensor, whose TensorShapeProto holds
// dimensions.
Message value_message(const OnnxValue& value) {
  Message shape, tensor, type, out;
  for (const auto& dim : value.shape) {
    Message dimension;
    if (const auto* number = std::get_if<int64_t>(&dim))
      dimension.integer(1, *number);
    else
      dimension.text(2, std::get<std::string>(dim));
    shape.message(1, dimension);
  }
  tensor.integer(1, type_number(value.dtype));
  tensor.message(2, shape);
  type.message(1, tensor);
  out.text(1, value.name);
  out.message(2, type);
  return out;
}

// GraphProto
Message graph_message(const OnnxModel& model) {
  Message out;
  for (const OnnxNode& node : model.nodes) out.message(1, node_message(node));
  out.text(2, model.name);
  for (const auto& [name, tensor] : model.initializers)
    out.message(5, tensor_message(name, tensor));
  for (const OnnxValue& value : model.inputs) out.message(11, value_message(value));
  for (const OnnxValue& value : model.outputs) out.message(12, value_message(value));
  return out;
}

// ModelProto
Message model_message(const OnnxModel& model) {
  Message operators, out;
  operators.text(1, "");  // the standard's own
  operators.integer(2, operator_set);
  out.integer(1, ir_version);
  out.text(2, "espalier");
  out.text(3, ESPALIER_VERSION);
  out.message(7, graph_message(model));
  out.message(8, operators);
  for (const auto& [key, value] : model.metadata) {
    Message entry;
    entry.text(1, key);
    entry.text(2, value);
    out.message(14, entry);
  }
  return out;
}

void check_size(size_t bytes, const std::string& path) {
  if (bytes > max_bytes)
    file_error(path, "the model takes " + std::to_string(bytes) +
                         " bytes; an ONNX file holds at most " + std::to_string(max_bytes));
}

}  // namespace

void save_onnx(const std::string& path, const OnnxModel& model) {
  size_t weights = 0;
  for (const auto& [name, tensor] : model.initializers) {
    if (!tensor.is_contiguous())
      argument_error("save_onnx", name.c_str(), "strided", "a contiguous tensor",
                     "pass contiguous(x)");
    weights += bytes_of(tensor);
  }
  check_size(weights, path);  // before they are copied
  const std::string bytes = model_message(model).bytes();
  check_size(bytes.size(), path);
  write_atomically(path, bytes);
}

}  // namespace espalier
