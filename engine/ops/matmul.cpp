#include "engine/ops/matmul.h"

#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/gemm.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "engine/replay.h"
#include "engine/strided.h"

namespace espalier {
namespace {

int64_t matmul_flops(Shapes inputs, const Shape& output) {
  return 2 * output.numel() * inputs[0].back();
}

void lower(Lowering& l);

Tensor replay_call(const NodeCall& c) { return matmul(c.in(0), c.in(1)); }

void onnx(OnnxWriter& w) { w.out("MatMul", {w.in(0), w.in(1)}); }

constexpr Op matmul_op{
    .name = "matmul", .flops = matmul_flops, .lower = lower, .replay = replay_call};

// A stack of matrices: its batch steps (zero where it is broadcast over the common batch), and the
// steps to the next row and column.
template <class T>
struct Stack {
  T* data;
  Shape batch;
  int64_t row, column;

  Stack transposed() const { return {data, batch, column, row}; }
};

template <class T>
Stack<T> stack(const Tensor& x, int batch_rank) {
  const int rank = x.rank(), missing = batch_rank + 2 - rank;
  Shape batch = Shape::of_rank(batch_rank);
  for (int d = 0; d < rank - 2; ++d) batch[missing + d] = x.shape()[d] == 1 ? 0 : x.strides()[d];
  return {x.data<T>(), batch, x.strides()[rank - 2], x.strides()[rank - 1]};
}

// C (+)= A B for every index of `sizes`; where C is broadcast its products are summed.
template <class T>
void multiply_stacks(const Shape& sizes, int64_t M, int64_t N, int64_t K, const Stack<T>& A,
                     const Stack<T>& B, const Stack<T>& C, bool accumulate, Precision precision) {
  ProductBatch batch, terms;
  for (int d = 0; d < sizes.rank(); ++d) {
    ProductBatch& to = C.batch[d] == 0 ? terms : batch;
    to.sizes.push_back(sizes[d]);
    to.a.push_back(A.batch[d]);
    to.b.push_back(B.batch[d]);
    to.c.push_back(C.batch[d]);
  }
  MatrixProduct<T> p;
  p.M = M, p.N = N, p.K = K;
  p.A = A.data, p.a_row_stride = A.row, p.a_k_stride = A.column;
  p.B = B.data, p.b_k_stride = B.row, p.b_n_stride = B.column;
  p.C = C.data, p.c_row_stride = C.row;
  p.accumulate = accumulate;
  p.precision = precision;
  multiply(p, batch, terms);
}

// The steps of an operand's matrices over the leading dimensions of the result.
Shape stack_strides(const Operand& x, const Operand& y) {
  const Shape shape = shape_at(x.shape, 2), wide = shape_at(y.shape, 2);
  return broadcast_strides(Shape(shape.begin(), shape.end() - 2),
                           Shape(x.strides.begin(), x.strides.end() - 2),
                           Shape(wide.begin(), wide.end() - 2));
}

void lower(Lowering& l) {
  const Operand a = l.in(0), b = l.in(1), y = l.out();
  const int last_a = a.strides.rank() - 1, last_b = b.strides.rank() - 1;
  if (b.shape[static_cast<size_t>(last_b - 1)].per_sample != 0)
    argument_error("compile", l.op(), "a sum over samples", "samples apart from each other", "");
  const int64_t N = b.back(), K = a.back();
  const Shape a_steps = stack_strides(a, y), b_steps = stack_strides(b, y);
  const auto& best = kernel(gemm_kernels<float>());
  l.step(
      best.isa,
      [=, &best](const StepRun& run) {
        const Shape shape = shape_at(y.shape, run.batch);
        const Shape sizes(shape.begin(), shape.end() - 2);
        const int64_t M = shape[shape.rank() - 2];
        parallel_for(sizes.numel(), grain_for(K * N), [&](int64_t begin, int64_t end) {
          const Scratch scratch(run);
          for (int64_t i = begin; i < end; ++i) {
            const float* right = run.at(b.address) + element_offset(sizes, b_steps, i);
            best.pack_b(right, b.strides[last_b - 1], b.strides[last_b], K, N, scratch.data());
            Gemm<float> g;
            g.M = M, g.N = N, g.K = K;
            g.A = run.at(a.address) + element_offset(sizes, a_steps, i);
            g.a_row_stride = a.strides[last_a - 1], g.a_k_stride = a.strides[last_a];
            g.packed_b = scratch.data();
            g.C = run.at(y.address) + i * M * N, g.c_row_stride = N;
            best.run(g);
          }
        });
      },
      best.packed_size(K, N));
}

void check_arguments(const Tensor& a, const Tensor& b) {
  check_floating_point(matmul_op.name, "a", a);
  check_min_rank(matmul_op.name, "a", a, 2);
  check_same_dtype(matmul_op.name, "b", b, a);
  check_min_rank(matmul_op.name, "b", b, 2);
  if (b.size(-2) != a.size(-1))
    argument_error(matmul_op.name, "b", b.describe(),
                   "[..., " + std::to_string(a.size(-1)) + ", N] for a " + a.describe(),
                   "the last dimension of a must be the one before last of b");
}

struct Saved {
  Shape sizes;  // of the stacks
  Tensor a, b;
  Precision precision;
};

// da = dy b^T, db = a^T dy
template <class T>
void backward_stacks(const Saved& saved, const Tensor& dy, InputGradients& inputs) {
  const auto& [sizes, a, b, precision] = saved;
  const int rank = sizes.rank();
  const int64_t M = a.size(-2), K = a.size(-1), N = b.size(-1);
  if (inputs.wants(0)) {
    const auto to = inputs.destination(0);
    multiply_stacks(sizes, M, K, N, stack<T>(dy, rank), stack<T>(b, rank).transposed(),
                    stack<T>(to.tensor, rank), to.accumulate, precision);
  }
  if (inputs.wants(1)) {
    const auto to = inputs.destination(1);
    multiply_stacks(sizes, K, N, M, stack<T>(a, rank).transposed(), stack<T>(dy, rank),
                    stack<T>(to.tensor, rank), to.accumulate, precision);
  }
}

void derivative(const Saved& saved, const Tensor& dy, InputGradients& inputs) {
  visit_floating_point(dy.dtype(), [&]<class T>() { backward_stacks<T>(saved, dy, inputs); });
}

// Of a [..., M, K], b [..., K, N] and y [..., M, N].
void tie_axes(NodeAxes& n) {
  constexpr int y = NodeAxes::out;
  n.tie({0, -1}, {1, -2});
  n.tie({0, -2}, {y, -2});
  n.tie({1, -1}, {y, -1});
  for (int input : {0, 1})
    for (int i = 3; i <= n.rank(input); ++i) {
      const auto dim = [&](int operand) {
        return n.shape(operand)[static_cast<size_t>(n.rank(operand) - i)];
      };
      if (dim(input) == dim(y)) n.tie({input, -i}, {y, -i});
    }
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_arguments(a, b);
  const OpScope scope(matmul_op.name, a);
  const int64_t M = a.size(-2), K = a.size(-1), N = b.size(-1);
  const Shape sizes =
      broadcast_shapes(matmul_op.name, Shape(a.shape().begin(), a.shape().end() - 2),
                       Shape(b.shape().begin(), b.shape().end() - 2));
  const int rank = sizes.rank();
  const Precision precision = product_precision(matmul_op.name, a);
  Shape shape = sizes;
  shape.push_back(M);
  shape.push_back(N);
  const Tensor y = Tensor::empty(shape, a.dtype());
  visit_floating_point(a.dtype(), [&]<class T>() {
    multiply_stacks(sizes, M, N, K, stack<T>(a, rank), stack<T>(b, rank), stack<T>(y, rank), false,
                    precision);
  });
  return record(matmul_op, {}, {a, b}, y, Saved{sizes, a.detach(), b.detach(), precision});
}

void matmul_derivatives(Derivatives& all) { all.add<derivative>(matmul_op); }

void matmul_onnx_forms(OnnxForms& all) { all.add(matmul_op, onnx); }

void matmul_axis_rules(AxisRules& all) { all.add(matmul_op, tie_axes); }

}  // namespace espalier
