#include "compress/int8_scales.h"

#include <algorithm>
#include <cmath>

#include "compress/codes.h"
#include "compress/gelu_forms.h"
#include "engine/error.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr const char* name_of_choice = "choose_int8_scales";

// Below some input a GELU is as good as zero: finer codes for the rest are worth more than it.
Range without_dead_tail(Range range, double out_scale, ScalarFunction gelu) {
  constexpr double dip = -0.7518;  // where GELU is least
  double low = range.low;
  while (low < 1.01 * dip && std::abs(gelu(low)) < out_scale / 2) low *= 0.99;
  range.low = std::max(range.low, std::min(low, dip));
  return range;
}

class Chooser {
 public:
  Chooser(const Graph& graph, const Observers& observers, const KeptLayers& kept)
      : graph_(graph), observers_(observers), roles_(int8_roles(graph, kept)), out_{{}, {}, kept} {}

  Int8Scales choose() {
    // 16 bits are fine enough for all that was seen.
    double largest = 0;
    for (int value : roles_.stream)
      largest = std::max(largest, symmetric_scale(observer(value).extremes(), 32'767));
    put("stream.scale", {largest});
    if (roles_.tokens != Graph::absent) put_affine("input.", range(graph_.input));
    for (size_t n = 0; n < graph_.nodes.size(); ++n) choose_for(graph_.nodes[n], roles_.of_node[n]);
    return std::move(out_);
  }

 private:
  const Observer& observer(int value) const {
    const bool known = static_cast<size_t>(value) < observers_.size();
    const Observer* found = known ? observers_[static_cast<size_t>(value)].get() : nullptr;
    if (!found)
      argument_error(name_of_choice, "observers", "none for a value of the graph",
                     "what calibrate() of the same graph returned", "");
    return *found;
  }
  Range range(int value) const { return observer(value).range(); }

  void put(const std::string& name, const std::vector<double>& scales) {
    const auto count = static_cast<int64_t>(scales.size());
    out_.scales.emplace_back(name,
                             Tensor::of(std::vector<float>(scales.begin(), scales.end()), {count}));
  }

  // Under "<prefix>scale" and "<prefix>zero_point".
  double put_affine(const std::string& prefix, const Range& range) {
    const Codes codes = affine_codes(range);
    put(prefix + "scale", {codes.scale});
    out_.zero_points[prefix + "zero_point"] = codes.zero_point;
    return codes.scale;
  }

  void choose_for(const Graph::Node& node, Int8Role role) {
    switch (role) {
      case Int8Role::none:
      case Int8Role::pool:
      case Int8Role::absorbed:
      case Int8Role::add_linear:
        return;
      case Int8Role::conv:
        put_affine(node.layer + ".", range(roles_.result_of(graph_, node)));
        return;
      case Int8Role::layer_norm:
      case Int8Role::attention:
        put_affine(node.layer + ".", range(node.output));
        return;
      case Int8Role::linear:
        return choose_for_projection(node);
      case Int8Role::linear_gelu: {
        const Graph::Node& gelu = reader_of(graph_, node.output);
        const double out = put_affine(node.layer + ".table_", range(gelu.output));
        put_affine(node.layer + ".", without_dead_tail(range(node.output), out, gelu_of(gelu)));
      }
    }
  }

  // q, k and v, a third of the channels each.
  void choose_for_projection(const Graph::Node& node) {
    const Observer& seen = observer(node.output);
    const int64_t third = seen.channels() / 3;
    std::vector<double> scales;
    for (int64_t part = 0; part < 3; ++part)
      scales.push_back(symmetric_scale(seen.range(part * third, (part + 1) * third), 127));
    put(node.layer + ".scale", scales);
  }

  const Graph& graph_;
  const Observers& observers_;
  const Int8Roles roles_;
  Int8Scales out_;
};

}  // namespace

Tensor Int8Scales::scale(const std::string& name) const {
  if (const Tensor* found = find_named(scales, name)) return *found;
  argument_error("Int8Scales", "scales", "no '" + name + "'", "one",
                 "take scales and graph of the same model");
}

int64_t Int8Scales::zero_point(const std::string& name) const {
  const auto found = zero_points.find(name);
  return found == zero_points.end() ? 0 : found->second;
}

Int8Scales choose_int8_scales(const Graph& graph, const Observers& observers,
                              const KeptLayers& kept) {
  return Chooser(graph, observers, kept).choose();
}

}  // namespace espalier
