// Compiled plans in bf16: the two layers of an MLP, with GELU between them, as one step.
#include "engine/capture.h"
#include "engine/dispatch.h"
#include "engine/ops/binary.h"
#include "engine/ops/cat.h"
#include "engine/ops/gelu.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/plan.h"
#include "kernels/gemm_half/gemm_half.h"
#include "kernels/mlp_bf16/mlp_bf16.h"
#include "tests/gradient_test.h"
#include "tests/steady_run.h"

namespace espalier::test {
namespace {

using Unary = std::function<Tensor(const Tensor&)>;

// An MLP on rows of 40, whose hidden activation is longer by part of a panel.
struct MlpLayers {
  static constexpr int64_t D = 40, H = 72;
  Tensor up = random_tensor({H, D}, 1, DType::f32), up_bias = random_tensor({H}, 2, DType::f32);
  Tensor down = random_tensor({D, H}, 3, DType::f32), row = random_tensor({D}, 4, DType::f32);
  Tensor wide = random_tensor({3 * D, H}, 5, DType::f32);

  Tensor hidden(const Tensor& x) const { return linear(x, up, up_bias); }
  Tensor block(const Tensor& x) const {
    const Tensor stream = exp(x);
    return add(stream, linear(gelu(hidden(layer_norm(stream, row, row, 1e-5))), down, row));
  }
  Tensor widened(const Tensor& x) const { return linear(gelu(hidden(exp(x))), wide); }

  // |GELU(v)| <= |v|, and its slope is below 1.13. In each product both operands are rounded by
  // half a unit of eight bits. `size` is the sum of all magnitudes that meet in a result.
  static double bound(double size) {
    constexpr double share = (1.13 * 2 + 2) * (1 + 0x1p-7) * 0x1p-8 + mlp_bf16_gelu_error;
    return (share + 2 * (H + D) * epsilon) * size;
  }
};

}  // namespace

TEST_CASE("in bf16 two layers and the GELU between them are one step, where a row does that") {
  const NoGradGuard off;
  const MlpLayers m;
  const auto steps = [](const Unary& f, DType weights) {
    return operations_of(compile(capture(f, {7, MlpLayers::D}, {}), {.weights = weights}));
  };
  using Names = std::vector<std::string>;
  const bool fused = kernel(mlp_bf16_kernels()).isa == kernel(gemm_half_bf16_kernels()).isa;
  const Names apart{"exp", "layer_norm", "linear", "gelu", "linear + add", "output"};
  const Names one{"exp", "layer_norm", "linear + gelu + linear + add", "output"};
  const Unary block = [&](const Tensor& x) { return m.block(x); };
  CHECK(steps(block, DType::bf16) == (fused ? one : apart));
  CHECK(steps(block, DType::f16) == apart);
  // Not where another form is meant, or where the hidden activation is wanted elsewhere.
  const Unary tanh_form = [&](const Tensor& x) {
    return linear(gelu(m.hidden(x), GeluKind::tanh), m.down);
  };
  CHECK(steps(tanh_form, DType::bf16) == Names{"linear", "gelu", "linear", "output"});
  const Unary read_twice = [&](const Tensor& x) {
    const Tensor h = gelu(m.hidden(x));
    return cat({linear(h, m.down), h}, -1);
  };
  CHECK(steps(read_twice, DType::bf16) == Names{"linear", "gelu", "linear", "cat", "output"});
}

TEST_CASE("an MLP in bf16 keeps its error bound, and its bits for any number of threads") {
  const NoGradGuard off;
  const MlpLayers m;
  const Tensor x = random_tensor({21, 7, m.D}, 6, DType::f32), stream = exp(x);
  const auto size = [&](const Tensor& in, const Tensor& down) {
    return linear(linear(abs(in), abs(m.up), abs(m.up_bias)), abs(down));
  };
  const Tensor block_size =
      add(add(stream, abs(m.row)), size(layer_norm(stream, m.row, m.row, 1e-5), m.down));
  const auto check = [&](const Unary& f, const Tensor& magnitude) {
    const Graph graph = capture(f, {7, m.D}, {});
    const auto expected = compile(graph, {.threads = 1, .weights = DType::bf16})(x).to_vector();
    const auto sizes = magnitude.to_vector();
    check_close(expected, f(x).to_vector(), [&](size_t i) { return m.bound(sizes[i]); });
    for (int threads : {1, 3})
      for (int64_t batch : {1, 2, 21}) {
        INFO(threads, " threads, batch ", batch);
        set_num_threads(threads);
        Plan plan = compile(graph, {.threads = threads, .chunk = 4, .weights = DType::bf16});
        const Tensor part = slice(x, 0, 0, batch), y = Tensor::empty(f(part).shape());
        plan.run(part, y);
        check_steady_run(plan, part, y);
        const auto found = y.to_vector();
        CHECK(std::equal(found.begin(), found.end(), expected.begin()));
      }
  };
  const int threads_before = num_threads();
  check([&](const Tensor& in) { return m.block(in); }, block_size);
  // No residual, and rows longer than those that they are made from.
  check([&](const Tensor& in) { return m.widened(in); }, size(stream, m.wide));
  set_num_threads(threads_before);
}

}  // namespace espalier::test
