#include "engine/ops/embedding.h"

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/onnx_writer.h"
#include "engine/op.h"
#include "engine/ops/cast.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "kernels/embedding/embedding.h"

namespace espalier {
namespace {

constexpr Op embedding_op{"embedding"};

// The indices as s64 beside `weight`, each proven to name one of its rows.
Tensor checked_rows(const Tensor& indices, const Tensor& weight) {
  check_defined(embedding_op.name, "indices", indices);
  check_same_device(embedding_op.name, "indices", indices, weight);
  if (indices.dtype() != DType::s64 && indices.dtype() != DType::s32)
    argument_error(embedding_op.name, "indices", indices.describe(), "s32 or s64", "");
  const DeviceScope cpu(Device::cpu());
  const Tensor rows = to(contiguous(indices.to(Device::cpu())), DType::s64);
  const int64_t count = weight.size(0), *row = rows.data<int64_t>();
  for (int64_t i = 0; i < rows.numel(); ++i)
    if (row[i] < 0 || row[i] >= count)
      argument_error(embedding_op.name, "indices", "index " + std::to_string(row[i]),
                     "0 to " + std::to_string(count - 1) + ", the rows of weight", "");
  return rows.to(weight.device());
}

template <class T>
void gather_rows(const Tensor& rows, const Tensor& weight, const Tensor& y) {
  const int64_t width = weight.size(1);
  const auto& best = kernel(embedding_forward_kernels<T>());
  parallel_for(rows.numel(), grain_for(width), [&](int64_t begin, int64_t end) {
    best.run(rows.data<int64_t>() + begin, weight.data<T>(), y.data<T>() + begin * width,
             end - begin, width);
  });
}

// Split by columns, so that every sum runs in the order of the indices.
template <class T>
void scatter_rows(const Tensor& rows, const Tensor& dy, const Tensor& dweight) {
  const int64_t width = dweight.size(1), count = rows.numel();
  const auto& best = kernel(embedding_backward_kernels<T>());
  parallel_for(width, grain_for(count), [&](int64_t begin, int64_t end) {
    best.run(rows.data<int64_t>(), dy.data<T>() + begin, dweight.data<T>() + begin, count,
             end - begin, width, dweight.size(0));
  });
}

struct Saved {
  Tensor rows;
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  if (!inputs.wants(1)) return;
  const Tensor dy = contiguous(gradient);
  const auto to = inputs.destination(1);
  if (!to.accumulate) to.tensor.fill_(0);
  visit_floating_point(dy.dtype(), [&]<class T>() { scatter_rows<T>(saved.rows, dy, to.tensor); });
}

// Of indices [...], weight [count, width] and rows [..., width].
void tie_axes(NodeAxes& n) {
  for (int dim = 0; dim < n.rank(0); ++dim) n.tie({0, dim}, {NodeAxes::out, dim});
  n.fix({1, 0});
  n.tie({1, 1}, {NodeAxes::out, -1});
}

}  // namespace

Tensor embedding(const Tensor& indices, const Tensor& weight) {
  check_floating_point(embedding_op.name, "weight", weight);
  if (weight.rank() != 2)
    argument_error(embedding_op.name, "weight", weight.describe(), "[V, D]", "");
  const Tensor rows = checked_rows(indices, weight);
  const OpScope scope(embedding_op.name, weight);
  Shape shape = indices.shape();
  shape.push_back(weight.size(1));
  const Tensor y = Tensor::empty(shape, weight.dtype());
  const Tensor table = contiguous(weight.detach());
  visit_floating_point(weight.dtype(), [&]<class T>() { gather_rows<T>(rows, table, y); });
  return record(embedding_op, {}, {indices, weight}, y, Saved{rows});
}

void embedding_derivatives(Derivatives& all) { all.add<derivative>(embedding_op); }

void embedding_onnx_forms(OnnxForms&) {}

void embedding_axis_rules(AxisRules& all) { all.add(embedding_op, tie_axes); }

}  // namespace espalier
