// Models on disk in the ONNX format, which other engines run: onnx/onnx.proto of
// github.com/onnx/onnx, IR version 8, operator set 17.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "engine/tensor.h"

namespace espalier {

struct OnnxAttribute {
  const char* name;
  std::variant<int64_t, double, std::vector<int64_t>> value;
};

struct OnnxNode {
  std::string type, name;
  std::vector<std::string> inputs, outputs;
  std::vector<OnnxAttribute> attributes;
};

// What goes into the model or comes out of it. A dimension has a number or a name.
struct OnnxValue {
  std::string name;
  DType dtype;
  std::vector<std::variant<int64_t, std::string>> shape;
};

// Values are known by name; nodes stand in an order in which they can run.
struct OnnxModel {
  std::string name;
  std::vector<OnnxNode> nodes;
  NamedTensors initializers;  // contiguous
  std::vector<OnnxValue> inputs, outputs;
  std::map<std::string, std::string> metadata;
};

// Writes `path` atomically. A file error where the model passes 2 GiB, the most that the format
// holds.
void save_onnx(const std::string& path, const OnnxModel& model);

}  // namespace espalier
