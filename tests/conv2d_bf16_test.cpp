#include "kernels/conv2d_bf16/conv2d_bf16.h"

#include <algorithm>

#include "engine/capture.h"
#include "engine/ops/conv2d.h"
#include "engine/plan.h"
#include "engine/precision.h"
#include "kernels/gemm_half/gemm_half.h"
#include "tests/gemm_test.h"
#include "tests/gradient_test.h"

namespace espalier::test::conv2d_bf16_tests {
namespace {

// Images with their border. Channels, pixels and depths straddle panels and tiles, and a window's
// rows more than one block of a panel.
constexpr Conv2dShape shapes[] = {
    {16, 16, 8, 33, 3, 3, 1},  {5, 7, 2, 5, 3, 2, 1},    {9, 8, 4, 16, 2, 2, 2},
    {8, 11, 6, 31, 5, 3, 2},   {7, 7, 20, 15, 1, 1, 1},  {6, 5, 2, 1, 6, 5, 1},
    {11, 9, 4, 65, 2, 3, 3},   {4, 3, 100, 7, 3, 3, 1},  {3, 60, 2, 48, 2, 1, 1},
    {16, 16, 64, 96, 3, 3, 1}, {9, 9, 96, 128, 3, 3, 1},
};

struct Operands {
  Conv2dShape shape;
  std::vector<float> x, weight, bias;

  explicit Operands(const Conv2dShape& s)
      : shape(s),
        x(normal(s.in_size(), 1)),
        weight(normal(s.depth() * s.out_channels, 2)),
        bias(normal(s.out_channels, 3)) {}

  std::vector<float> packed(Isa isa) const {
    const auto& row = gemm_half_bf16_row(isa);
    std::vector<float> panels(
        static_cast<size_t>(row.packed_size(shape.depth(), shape.out_channels)));
    row.pack_b(weight.data(), 1, shape.depth(), shape.depth(), shape.out_channels, panels.data());
    return panels;
  }
};

// What the product of the same instruction set makes of all patches.
std::vector<float> by_patches(Isa isa, const Operands& o, bool biased) {
  const Conv2dShape& s = o.shape;
  const int64_t taps = s.kernel_width * s.in_channels;
  std::vector<float> patches, y(static_cast<size_t>(s.out_size()));
  for (int64_t i = 0; i < s.out_height(); ++i)
    for (int64_t j = 0; j < s.out_width(); ++j)
      for (int64_t u = 0; u < s.kernel_height; ++u) {
        const auto at =
            o.x.begin() + (i * s.stride + u) * s.row_size() + j * s.stride * s.in_channels;
        patches.insert(patches.end(), at, at + taps);
      }
  const std::vector<float> packed = o.packed(isa);
  Gemm<float> g;
  g.M = s.out_pixels(), g.N = s.out_channels, g.K = s.depth();
  g.A = patches.data(), g.a_row_stride = g.K, g.a_k_stride = 1;
  g.packed_b = packed.data(), g.bias = biased ? o.bias.data() : nullptr;
  g.C = y.data(), g.c_row_stride = g.N;
  gemm_half_bf16_row(isa).run(g);
  return y;
}

void check_row(const KernelRow<Conv2dBf16>& row, const Operands& o, bool biased, Guard guard,
               size_t offset) {
  const Conv2dShape& s = o.shape;
  Guarded<float> x(o.x.size(), guard, offset), y(static_cast<size_t>(s.out_size()), guard, offset);
  Guarded<float> scratch(static_cast<size_t>(conv2d_bf16_scratch(s)), guard, offset);
  std::copy(o.x.begin(), o.x.end(), x.begin());
  std::fill(scratch.begin(), scratch.end(), std::numeric_limits<float>::quiet_NaN());
  row.run(x.data(), o.packed(row.isa).data(), biased ? o.bias.data() : nullptr, y.data(),
          scratch.data(), s);
  const std::vector<float> expected = by_patches(row.isa, o, biased);
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("of output ", i);
    CHECK((same_bits(y[i], expected[i]) || (std::isnan(y[i]) && std::isnan(expected[i]))));
  }
}

template <class F>
void for_each_shape(F f) {
  for (const Conv2dShape& s : shapes) {
    INFO("height ", s.height, " in_channels ", s.in_channels, " out_channels ", s.out_channels);
    f(s);
  }
}

}  // namespace

TEST_CASE("conv2d_bf16 rows give the bits of the product over patches") {
  for_each_shape([](const Conv2dShape& s) {
    const Operands o(s);
    for_each_row(conv2d_bf16_kernels(), [&](const auto& row) {
      check_row(row, o, true, Guard::back, 0);
      check_row(row, o, false, Guard::front, 1);
    });
  });
}

TEST_CASE("conv2d_bf16 rows treat special values as the product does") {
  Operands o({9, 8, 4, 16, 2, 2, 2});
  const std::vector<float>& special = special_values();
  for (size_t i = 0; i < o.x.size(); i += 3) o.x[i] = special[i / 3 % special.size()];
  for_each_row(conv2d_bf16_kernels(),
               [&](const auto& row) { check_row(row, o, true, Guard::back, 0); });
}

TEST_CASE("a plan in bf16 convolves by these rows, with the bits of the eager operation") {
  const Tensor weight = random_tensor({33, 3, 3, 8}, 1, DType::f32),
               bias = random_tensor({33}, 2, DType::f32);
  const Tensor x = random_tensor({3, 14, 15, 8}, 3, DType::f32);
  const auto layer = [&](const Tensor& in) { return conv2d(in, weight, bias, 1, 1); };
  Plan plan = compile(capture(layer, {14, 15, 8}, {{"weight", weight}, {"bias", bias}}),
                      {.weights = DType::bf16});
  const auto rows = conv2d_bf16_kernels();
  const auto best =
      std::find_if(rows.begin(), rows.end(), [](const auto& row) { return isa_allowed(row.isa); });
  const bool served = best->isa != Isa::scalar;
  CHECK((plan.steps().front().arithmetic == DType::bf16) == served);
  if (!served) return;
  CHECK(plan.steps().front().isa == best->isa);
  const auto eager = [&] {
    const PrecisionScope scope(Precision::bf16);
    return layer(x);
  }();
  const auto halves = gemm_half_bf16_kernels();
  const bool same_product = std::none_of(halves.begin(), halves.end(), [&](const auto& row) {
    return row.isa > best->isa && isa_allowed(row.isa);
  });
  if (same_product) CHECK(plan(x).to_vector() == eager.to_vector());
}

}  // namespace espalier::test::conv2d_bf16_tests
