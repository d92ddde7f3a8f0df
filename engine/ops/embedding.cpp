#include "engine/ops/embedding.h"

#include <algorithm>

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/onnx_writer.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/profiler.h"

namespace espalier {
namespace {

constexpr Op embedding_op{"embedding"};

template <class Index>
void widen(const Tensor& indices, RecycledVector<int64_t>& rows) {
  const Index* p = indices.data<Index>();
  rows.assign(p, p + indices.numel());
}

// The indices, each proven to name one of `count` rows.
RecycledVector<int64_t> checked_rows(const Tensor& indices, int64_t count) {
  check_defined(embedding_op.name, "indices", indices);
  RecycledVector<int64_t> rows;
  if (indices.dtype() == DType::s64)
    widen<int64_t>(contiguous(indices), rows);
  else if (indices.dtype() == DType::s32)
    widen<int32_t>(contiguous(indices), rows);
  else
    argument_error(embedding_op.name, "indices", indices.describe(), "s32 or s64", "");
  for (const int64_t row : rows)
    if (row < 0 || row >= count)
      argument_error(embedding_op.name, "indices", "index " + std::to_string(row),
                     "0 to " + std::to_string(count - 1) + ", the rows of weight", "");
  return rows;
}

template <class T>
void gather_rows(const RecycledVector<int64_t>& rows, const Tensor& weight, const Tensor& y) {
  const int64_t width = weight.size(1);
  const T* from = weight.data<T>();
  T* to = y.data<T>();
  const int64_t count = static_cast<int64_t>(rows.size());
  parallel_for(count, grain_for(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::copy_n(from + rows[static_cast<size_t>(i)] * width, width, to + i * width);
  });
}

// Split by columns, so that every sum runs in the order of the indices.
template <class T>
void scatter_rows(const RecycledVector<int64_t>& rows, const Tensor& dy, const Tensor& dweight) {
  const int64_t width = dweight.size(1), count = static_cast<int64_t>(rows.size());
  const T* from = dy.data<T>();
  T* to = dweight.data<T>();
  parallel_for(width, grain_for(count), [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < count; ++i) {
      T* sum = to + rows[static_cast<size_t>(i)] * width;
      for (int64_t j = begin; j < end; ++j) sum[j] += from[i * width + j];
    }
  });
}

struct Saved {
  RecycledVector<int64_t> rows;
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
  RecycledVector<int64_t> rows = checked_rows(indices, weight.size(0));
  const profiler::Scope scope(embedding_op.name);
  Shape shape = indices.shape();
  shape.push_back(weight.size(1));
  const Tensor y = Tensor::empty(shape, weight.dtype());
  const Tensor table = contiguous(weight.detach());
  visit_floating_point(weight.dtype(), [&]<class T>() { gather_rows<T>(rows, table, y); });
  return record(embedding_op, {}, {indices, weight}, y, Saved{std::move(rows)});
}

void embedding_derivatives(Derivatives& all) { all.add<derivative>(embedding_op); }

void embedding_onnx_forms(OnnxForms&) {}

void embedding_axis_rules(AxisRules& all) { all.add(embedding_op, tie_axes); }

}  // namespace espalier
