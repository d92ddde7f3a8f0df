// Reads back what save_onnx() wrote: as much of Protocol Buffers as that takes.
#pragma once

#include <bit>
#include <cstring>
#include <map>
#include <string_view>

#include "engine/io/file.h"
#include "engine/io/onnx.h"
#include "engine/tensor.h"
#include "tests/kernel_test.h"
#include "tests/temporary_folder.h"

namespace espalier::test {

struct WireField {
  uint64_t number, value = 0;  // of a varint, or the bits of a fixed32
  std::string_view bytes{};
  std::string text() const { return std::string(bytes); }
  int64_t integer() const { return static_cast<int64_t>(value); }
};

inline uint64_t take_varint(std::string_view& from) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    REQUIRE(!from.empty());
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
}

inline std::vector<WireField> fields_of(std::string_view message) {
  std::vector<WireField> fields;
  while (!message.empty()) {
    const uint64_t tag = take_varint(message), type = tag & 7;
    WireField field{tag >> 3};
    if (type == 0) {
      field.value = take_varint(message);
    } else {
      REQUIRE((type == 2 || type == 5));
      const size_t size = type == 5 ? 4 : take_varint(message);
      REQUIRE(size <= message.size());
      field.bytes = message.substr(0, size);
      if (type == 5) std::memcpy(&field.value, field.bytes.data(), 4);
      message.remove_prefix(size);
    }
    fields.push_back(field);
  }
  return fields;
}

struct ReadAttribute {
  int64_t type = 0, integer = 0;
  float real = 0;
  std::vector<int64_t> integers;
};

struct ReadNode {
  std::string type, name;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, ReadAttribute> attributes;
};

struct ReadValue {
  std::string name;
  int64_t type = 0;
  std::vector<std::string> shape;  // numbers as text
};

struct ReadModel {
  int64_t ir_version = 0, operator_set = 0;
  std::string producer, name;
  std::map<std::string, std::string> metadata;
  std::vector<ReadNode> nodes;
  std::map<std::string, Tensor> initializers;
  std::vector<ReadValue> inputs, outputs;
};

inline ReadNode read_node(std::string_view message) {
  ReadNode node;
  for (const WireField& f : fields_of(message)) {
    if (f.number == 1) node.inputs.push_back(f.text());
    if (f.number == 2) node.outputs.push_back(f.text());
    if (f.number == 3) node.name = f.text();
    if (f.number == 4) node.type = f.text();
    if (f.number != 5) continue;
    std::string name;
    ReadAttribute attribute;
    for (const WireField& a : fields_of(f.bytes)) {
      if (a.number == 1) name = a.text();
      if (a.number == 2) attribute.real = std::bit_cast<float>(static_cast<uint32_t>(a.value));
      if (a.number == 3) attribute.integer = a.integer();
      if (a.number == 8) attribute.integers.push_back(a.integer());
      if (a.number == 20) attribute.type = a.integer();
    }
    node.attributes[name] = attribute;
  }
  return node;
}

inline std::pair<std::string, Tensor> read_initializer(std::string_view message) {
  Shape shape;
  int64_t type = 0;
  std::string name;
  std::string_view raw;
  for (const WireField& f : fields_of(message)) {
    if (f.number == 1) shape.push_back(f.integer());
    if (f.number == 2) type = f.integer();
    if (f.number == 8) name = f.text();
    if (f.number == 9) raw = f.bytes;
  }
  const std::map<int64_t, DType> types{
      {1, DType::f32}, {3, DType::s8}, {6, DType::s32}, {7, DType::s64}};
  REQUIRE(types.count(type));
  const Tensor tensor = Tensor::empty(shape, types.at(type));
  REQUIRE(raw.size() == static_cast<size_t>(shape.numel()) * dtype_size(tensor.dtype()));
  std::memcpy(tensor.bytes(), raw.data(), raw.size());
  return {name, tensor};
}

inline ReadValue read_value(std::string_view message) {
  ReadValue value;
  for (const WireField& f : fields_of(message)) {
    if (f.number == 1) value.name = f.text();
    if (f.number != 2) continue;
    for (const WireField& t : fields_of(fields_of(f.bytes).at(0).bytes)) {
      if (t.number == 1) value.type = t.integer();
      if (t.number != 2) continue;
      for (const WireField& dim : fields_of(t.bytes)) {
        const WireField d = fields_of(dim.bytes).at(0);
        value.shape.push_back(d.number == 1 ? std::to_string(d.integer()) : d.text());
      }
    }
  }
  return value;
}

inline void read_graph(std::string_view message, ReadModel& model) {
  for (const WireField& f : fields_of(message)) {
    if (f.number == 1) model.nodes.push_back(read_node(f.bytes));
    if (f.number == 2) model.name = f.text();
    if (f.number == 5) CHECK(model.initializers.insert(read_initializer(f.bytes)).second);
    if (f.number == 11) model.inputs.push_back(read_value(f.bytes));
    if (f.number == 12) model.outputs.push_back(read_value(f.bytes));
  }
}

inline ReadModel read_onnx(const std::string& path) {
  const std::string file = read_text(path);
  ReadModel model;
  for (const WireField& f : fields_of(file)) {
    if (f.number == 1) model.ir_version = f.integer();
    if (f.number == 2) model.producer = f.text();
    if (f.number == 7) read_graph(f.bytes, model);
    if (f.number == 8) model.operator_set = fields_of(f.bytes).at(1).integer();
    if (f.number == 14) {
      const auto entry = fields_of(f.bytes);
      model.metadata[entry.at(0).text()] = entry.at(1).text();
    }
  }
  return model;
}

// What is in the file of a model.
inline ReadModel read_back(const OnnxModel& model) {
  const TemporaryFolder folder;
  save_onnx(folder.file("model.onnx"), model);
  return read_onnx(folder.file("model.onnx"));
}

}  // namespace espalier::test
