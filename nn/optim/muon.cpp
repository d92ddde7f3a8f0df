#include "nn/optim/muon.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/op.h"
#include "engine/ops/binary.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "kernels/sgd/sgd.h"

namespace espalier {
namespace {

MuonOptions checked(const MuonOptions& options) {
  if (!(options.momentum >= 0 && options.momentum < 1))
    argument_error("Muon", "momentum", std::to_string(options.momentum), "in [0, 1)", "");
  return options;
}

AdamWOptions of_the_rest(const MuonOptions& o) {
  return {o.lr, o.beta1, o.beta2, o.epsilon, o.weight_decay};
}

}  // namespace

ParameterOptions orthogonal_matrices(const std::string& name, const Tensor& parameter) {
  ParameterOptions options = decay_matrices(name, parameter);
  const int64_t rows = parameter.rank() >= 2 ? parameter.size(0) : 1;
  options.orthogonal = name != "head.weight" && rows > 1 && parameter.numel() > rows;
  return options;
}

Tensor orthogonalized(const Tensor& x) {
  const bool tall = x.size(0) > x.size(1);
  Tensor y = tall ? transpose(x, 0, 1) : x;
  y = y / (sqrt(sum(square(y))) + 1e-7);
  for (int step = 0; step < 5; ++step) {
    const Tensor a = matmul(y, transpose(y, 0, 1));
    y = 3.4445 * y + matmul(-4.775 * a + 2.0315 * matmul(a, a), y);
  }
  return tall ? transpose(y, 0, 1) : y;
}

Muon::Muon(const NamedTensors& parameters, const MuonOptions& options, ParameterPolicy policy)
    : AdamW(parameters, of_the_rest(options), std::move(policy)), options_(checked(options)) {}

int64_t Muon::segment_numbers() const {
  return std::max(AdamW::segment_numbers(), 2 * doubles_of<SgdStep>());
}

// Of a segment of matrices: what makes u of the gradient, and what takes the step along it.
void Muon::write_segment_numbers(const SegmentStep& what, double* to) const {
  if (!what.orthogonal) return AdamW::write_segment_numbers(what, to);
  visit_floating_point(arena().dtype(), [&]<class T>() {
    SgdStep<T>& gather = *new (to) SgdStep<T>{};
    gather.decay = 1;
    gather.momentum = static_cast<T>(options_.momentum);
    gather.lr = -1;
    gather.nesterov = options_.nesterov;
    SgdStep<T>& step = *new (to + doubles_of<SgdStep>()) SgdStep<T>{};
    step.decay = static_cast<T>(what.decay ? 1 - what.lr * options_.weight_decay : 1);
    step.lr = static_cast<T>(what.lr);
    step.average_weight = static_cast<T>(what.average_weight);
  });
}

void Muon::update_segment(const Update& what) const {
  if (!what.orthogonal) return AdamW::update_segment(what);
  visit_floating_point(arena().dtype(), [&]<class T>() { orthogonal_update<T>(what); });
}

// Of `flat`, which is the arena from `begin` on, each matrix. Products this small do not share out:
// each thread has matrices of its own.
void Muon::orthogonalize(const Tensor& flat, int64_t begin) const {
  const std::vector<ParameterArena::Slot>& slots = arena().slots();
  parallel_for(static_cast<int64_t>(slots.size()), 1, [&](int64_t first, int64_t last) {
    const NoGradGuard unrecorded;
    for (int64_t i = first; i < last; ++i) {
      const ParameterArena::Slot& slot = slots[static_cast<size_t>(i)];
      const int64_t from = slot.offset - begin, to = from + slot.parameter.numel();
      if (from < 0 || to > flat.numel()) continue;
      const Tensor u = reshape(slice(flat, 0, from, to), {slot.parameter.size(0), -1});
      const auto longest = static_cast<double>(std::max(u.size(0), u.size(1)));
      u.copy_(0.2 * std::sqrt(longest) * orthogonalized(u));
    }
  });
}

template <class T>
void Muon::orthogonal_update(const Update& what) const {
  const auto& row = kernel(sgd_kernels<T>());
  const auto* gather = reinterpret_cast<const SgdStep<T>*>(what.numbers);
  const auto* step = reinterpret_cast<const SgdStep<T>*>(what.numbers + doubles_of<SgdStep>());
  const Tensor flat = Tensor::zeros({what.end - what.begin}, arena().dtype());
  T* const directions = flat.data<T>();
  for_parts(what, [&](const Update& part) {
    row.run(gather, part.gradient_scale, arena().gradients().data<T>() + part.begin,
            directions + (part.begin - what.begin), first_moment().data<T>() + part.begin, nullptr,
            part.end - part.begin);
  });
  orthogonalize(flat, what.begin);
  for_parts(what, [&](const Update& part) {
    row.run(step, part.unit_scale, directions + (part.begin - what.begin),
            arena().values().data<T>() + part.begin, nullptr,
            part.average.defined() ? part.average.data<T>() + part.begin : nullptr,
            part.end - part.begin);
  });
}

}  // namespace espalier
