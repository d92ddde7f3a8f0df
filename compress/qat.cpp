#include "compress/qat.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "compress/convert.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/fake_quantize.h"
#include "engine/precision.h"
#include "nn/model_file.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr const char* stream_prefix = "stream.";

Graph evaluation_graph(VisionTransformer& model) {
  model.eval();
  return capture(model);
}

Tensor named(const NamedTensors& tensors, const std::string& name) {
  if (const Tensor* found = find_named(tensors, name)) return *found;
  argument_error("QatModel", "parameters", "no '" + name + "'", "one", "");
}

void check_learned(const std::string& name, const Tensor& scale) {
  for (double value : scale.to_vector())
    if (!(value >= static_cast<double>(std::numeric_limits<float>::min())) || !std::isfinite(value))
      throw Error(ErrorKind::numeric, "the learned scale " + name + " is " + std::to_string(value) +
                                          "; a lower learning rate may help");
}

bool lie_on(Device device, const NamedTensors& tensors) {
  return !tensors.empty() && tensors.front().second.device() == device;
}

// What was made on the CPU, on `device`. A GPU's tensors keep their memory.
void put_there(const NamedTensors& made, Device device, NamedTensors& there) {
  if (device.on_gpu() && lie_on(device, there)) return copy_named("QatModel", there, made);
  there.clear();
  for (const auto& [name, tensor] : made) there.emplace_back(name, tensor.to(device));
}

// Codes of an activation that nobody has computed yet: fake_quantize() rounds by itself.
const Tensor no_codes;

}  // namespace

// One forward pass.
struct QatModel::Run {
  std::vector<Tensor> codes;  // by value: s8 or s16 where the deployed model has codes
  Tensor& of(int value) { return codes[static_cast<size_t>(value)]; }
};

QatModel::QatModel(std::unique_ptr<VisionTransformer> model, Int8Scales scales, QatOptions options)
    : Trainable(std::move(model)),
      graph_(evaluation_graph(this->Trainable::model())),
      calibrated_(std::move(scales)),
      notes_(std::move(options.notes)),
      scales_(calibrated_) {
  convert_int8(graph_here(), calibrated_);  // refuses scales of another model
  if (!options.learn_scales) return;
  for (const auto& [name, scale] : calibrated_.scales) {
    const Tensor factor = Tensor::full(scale.shape(), 1);
    factor.set_requires_grad();
    factors_.emplace_back(name, factor);
  }
}
QatModel::~QatModel() = default;

std::string QatModel::kind() const {
  std::string text = factors_.empty() ? "rounded" : "rounded, learned scales";
  for (const auto& [name, scale] : calibrated_.scales)
    for (double value : scale.to_vector()) {
      char number[40];
      std::snprintf(number, sizeof number, " %a", value);
      text += number;
    }
  for (const auto& [name, zero_point] : calibrated_.zero_points)
    text += " " + std::to_string(zero_point);
  return text;
}

NamedTensors QatModel::named_parameters() const {
  NamedTensors all = Trainable::named_parameters();
  for (const auto& [name, factor] : factors_) all.emplace_back("quantizer." + name, factor);
  return all;
}

void QatModel::prepare() {
  const NoGradGuard off;
  for (auto& [name, scale] : scales_.scales) {
    if (factors_.empty()) continue;
    scale = mul(calibrated_.scale(name), named(factors_, name).to(Device::cpu()));
    check_learned(name, scale);
  }
  const Graph here = graph_here();
  const Device device = model().device();
  parameters_ = convert_int8(here, scales_);
  put_there(parameters_, device, operands_);
  calls_ = std::make_unique<const Int8Calls>(graph_, parameters_, operands_);
  put_there(weight_scales(here), device, weight_scales_);
  if (!lie_on(device, steps_)) put_there(calibrated_.scales, device, steps_);
}

// With the weights of now, on the CPU.
Graph QatModel::graph_here() const {
  Graph here = graph_;
  for (Graph::Value& value : here.values)
    if (value.constant.defined()) value.constant = value.constant.to(Device::cpu());
  return here;
}

NamedTensors QatModel::weight_scales(const Graph& here) const {
  NamedTensors scales;
  for (size_t n = 0; n < here.nodes.size(); ++n) {
    const Int8Role role = calls_->roles().of_node[n];
    const Graph::Node& node = here.nodes[n];
    if (is_linear(role) || role == Int8Role::conv)
      scales.emplace_back(node.layer,
                          weight_scale(here.values[static_cast<size_t>(node.inputs[1])].constant));
  }
  return scales;
}

void QatModel::check_prepared() const {
  if (!calls_) argument_error("QatModel", "parameters", "not rounded", "a call of prepare()", "");
}

// The value of `codes` with y's gradient. `prefix` names the scale.
Tensor QatModel::rounded(const Tensor& y, const std::string& prefix, const Tensor& codes) const {
  const bool stream = prefix == stream_prefix;
  const int64_t high = stream ? 32'767 : 127;
  const std::string name = prefix + "scale";
  const Tensor step = named(steps_, name);
  const Tensor scale = factors_.empty() ? step : mul(step, named(factors_, name));
  const auto elements =
      static_cast<double>(std::max<int64_t>(y.numel(), 1) / std::max<int64_t>(y.size(0), 1));
  return fake_quantize(y, scale,
                       {.zero_point = scales_.zero_point(prefix + "zero_point"),
                        .low = -high - 1,
                        .high = high,
                        .scale_gradient = 1 / std::sqrt(elements * static_cast<double>(high)),
                        .codes = codes});
}

// The layer's fp32 operation on values that are rounded already, weights too.
Tensor QatModel::on_rounded(const NodeCall& call) const {
  const std::string& layer = call.node.layer;
  std::vector<Tensor> inputs = call.inputs;
  if (call.node.inputs[0] == graph_.input) inputs[0] = rounded(inputs[0], "input.", no_codes);
  inputs[1] = fake_quantize(
      inputs[1], named(weight_scales_, layer),
      {.low = -127, .high = 127, .axis = 0, .codes = named(operands_, layer + ".weight")});
  return NodeCall(call.node, std::move(inputs), call.batch).run();
}

// What stands behind the node's codes.
Tensor QatModel::surrogate(size_t n, const NodeCall& call, const Tensor& codes) const {
  const Int8Roles& roles = calls_->roles();
  const std::string prefix = call.node.layer + ".";
  switch (roles.of_node[n]) {
    case Int8Role::conv: {
      const Tensor y = on_rounded(call);
      const bool relu_follows = roles.result_of(graph_, call.node) != call.node.output;
      return relu_follows ? y : rounded(y, prefix, codes);
    }
    case Int8Role::pool:  // the largest of rounded values is one of them
      return call.run();
    case Int8Role::linear:
      return rounded(on_rounded(call), prefix, codes);
    case Int8Role::linear_gelu:  // the codes are those behind the GELU
      return rounded(on_rounded(call), prefix, no_codes);
    case Int8Role::add_linear:  // and these those of the sum
      return on_rounded(call);
    default:
      return rounded(call.run(), prefix, codes);
  }
}

// Of an operation that the layer before it has done in whole numbers already.
Tensor QatModel::absorbed(const NodeCall& call, int done_by, const Tensor& codes) const {
  const int producer = graph_.values[static_cast<size_t>(done_by)].producer;
  const Int8Role role = calls_->roles().of_node[static_cast<size_t>(producer)];
  const std::string& layer = graph_.nodes[static_cast<size_t>(producer)].layer;
  const std::string prefix = role == Int8Role::add_linear    ? stream_prefix
                             : role == Int8Role::linear_gelu ? layer + ".table_"
                                                             : layer + ".";
  return rounded(call.run(), prefix, codes);
}

Tensor QatModel::call(Run& run, size_t n, const NodeCall& call) const {
  const Int8Roles& roles = calls_->roles();
  const int other = roles.other[n];
  Tensor& codes = run.of(call.node.output);
  if (roles.of_node[n] == Int8Role::none) {
    // In fp32 as it is deployed, whatever the products behind the rounding are in.
    const PrecisionScope exact(Precision::f32);
    const Tensor y = call.run();
    if (!roles.on_stream(call.node.output)) return y;
    codes = calls_->to_stream(y.detach());
    return rounded(y, stream_prefix, codes);
  }
  if (roles.of_node[n] == Int8Role::absorbed) {
    codes = run.of(other);
    return absorbed(call, other, codes);
  }
  {
    const NoGradGuard off;
    std::vector<Tensor> inputs = call.inputs;
    if (call.node.inputs[0] != graph_.input) inputs[0] = run.of(call.node.inputs[0]);
    codes = (*calls_)(n, NodeCall(call.node, std::move(inputs), call.batch),
                      other == Graph::absent ? Tensor() : run.of(other));
  }
  return surrogate(n, call, codes);
}

Tensor QatModel::forward(const Tensor& images) const {
  check_prepared();
  Run run{std::vector<Tensor>(graph_.values.size())};
  size_t n = 0;
  return replay(graph_, images, [&](const NodeCall& c) { return call(run, n++, c); });
}

Graph QatModel::deployed() const {
  check_prepared();
  return int8_graph(graph_here(), parameters_);
}

Evaluation QatModel::evaluate(const ImageDataset& data) const {
  Predictor predictor(deployed(), {}, model().device());
  return espalier::evaluate(predictor, model().config, data);
}

void QatModel::save(const std::string& path,
                    const std::map<std::string, std::string>& notes) const {
  check_prepared();
  auto all = notes_;
  all.insert(notes.begin(), notes.end());
  save_int8_model(path, model().config, graph_here(), parameters_, all);
}

}  // namespace espalier
