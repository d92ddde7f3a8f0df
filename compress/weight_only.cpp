#include "compress/weight_only.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/error.h"
#include "engine/ops/view.h"
#include "kernels/cast/cast.h"
#include "nn/coded_weights.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

// Inputs of one output channel that share a scale.
using Group = std::span<const float>;

int code_of(float weight, float scale, int largest) {
  return static_cast<int>(std::clamp(std::nearbyint(weight / scale), static_cast<float>(-largest),
                                     static_cast<float>(largest)));
}

double squared_error(Group weights, float scale, int largest) {
  double sum = 0;
  for (float w : weights) {
    const double error =
        static_cast<double>(w - static_cast<float>(code_of(w, scale, largest)) * scale);
    sum += error * error;
  }
  return sum;
}

// As binary16 holds it; its smallest number where that would be zero.
float in_half(float scale) {
  return std::max(cast_detail::to_float(cast_detail::to_float16(scale)), 0x1p-24f);
}

float magnitude_of(Group weights) {
  float largest = 0;
  for (float w : weights) {
    if (!std::isfinite(w) || std::abs(w) > 65'504)
      throw Error(ErrorKind::numeric, "a weight is " + std::to_string(w) +
                                          "; expected numbers of binary16; is the model trained?");
    largest = std::max(largest, std::abs(w));
  }
  return largest;
}

// With 15 codes a few clipped weights cost less than a coarse step for all.
float scale_of_group(Group weights, int bits) {
  const int largest = (1 << (bits - 1)) - 1;
  const float whole = magnitude_of(weights) / static_cast<float>(largest);
  float best = in_half(whole);
  if (bits == 8) return best;
  double least = squared_error(weights, best, largest);
  for (float share = 0.95f; share > 0.65f; share -= 0.05f) {
    const float scale = in_half(share * whole);
    const double error = squared_error(weights, scale, largest);
    if (error < least) least = error, best = scale;
  }
  return best;
}

struct Coded {
  Tensor codes, scales;
};

Coded coded(const Tensor& weight, const WeightOnlyOptions& how) {
  const int64_t N = weight.size(0), K = weight.size(1);
  const int64_t size = how.group_size ? how.group_size : std::max<int64_t>(1, K);
  const int64_t groups = K / size + (K % size != 0);
  const bool bytes = how.bits == 8;
  const Coded out{Tensor::zeros({N, bytes ? K : (K + 1) / 2}, bytes ? DType::s8 : DType::u8),
                  Tensor::empty({N, groups})};
  const int largest = (1 << (how.bits - 1)) - 1;
  for (int64_t i = 0; i < N * groups; ++i) {
    const int64_t n = i / groups, first = i % groups * size, last = std::min(K, first + size);
    const float* row = weight.data<float>() + n * K;
    const float scale = scale_of_group({row + first, row + last}, how.bits);
    out.scales.data<float>()[i] = scale;
    auto* codes = reinterpret_cast<uint8_t*>(out.codes.bytes()) + n * out.codes.size(1);
    for (int64_t k = first; k < last; ++k) {
      const int code = code_of(row[k], scale, largest);
      if (bytes)
        codes[k] = static_cast<uint8_t>(code);
      else
        codes[k / 2] |= static_cast<uint8_t>((code + 8) << (k % 2 * 4));
    }
  }
  return out;
}

void check(const WeightOnlyOptions& how) {
  if (how.bits != 8 && how.bits != 4)
    argument_error("weight_only", "bits", std::to_string(how.bits), "8 or 4", "");
  if (how.group_size < 0 || (how.bits == 4 && how.group_size % 2 != 0))
    argument_error("weight_only", "group_size", std::to_string(how.group_size),
                   how.bits == 4 ? "0 (all of a channel) or an even number" : "0 or more",
                   "two codes of 4 bits share a byte");
}

}  // namespace

NamedTensors weight_only(const Graph& graph, const WeightOnlyOptions& how) {
  check(how);
  NamedTensors out;
  for (const Graph::Node& node : graph.nodes) {
    if (!is_op(node, "linear")) continue;
    const Graph::Value& weight = graph.values[static_cast<size_t>(node.inputs[1])];
    if (!weight.constant.defined() || weight.name.empty())
      argument_error("weight_only", node.op->name, "a weight that is computed", "a parameter", "");
    if (find_named(out, weight.name)) continue;
    const Coded made = coded(contiguous(weight.constant.detach()), how);
    out.emplace_back(weight.name, made.codes);
    out.emplace_back(scale_of(weight.name), made.scales);
  }
  return out;
}

}  // namespace espalier
