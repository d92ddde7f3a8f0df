#include "kernels/conv2d/conv2d.h"

#include "engine/ops/conv2d.h"
#include "tests/device_test.h"

namespace espalier::test::conv2d_tests {
namespace {

// Images with their border. Channels, pixels and depths straddle panels and tiles.
const std::vector<Conv2dShape>& shapes() {
  static const std::vector<Conv2dShape> all = {
      {30, 30, 1, 64, 3, 3, 1}, {16, 16, 8, 33, 3, 3, 1}, {5, 7, 3, 5, 3, 2, 1},
      {9, 8, 4, 16, 2, 2, 2},   {12, 12, 1, 17, 4, 4, 4}, {8, 11, 5, 31, 5, 3, 2},
      {7, 7, 20, 15, 1, 1, 1},  {6, 5, 2, 1, 6, 5, 1},    {11, 9, 3, 65, 2, 3, 3},
      {4, 3, 100, 7, 3, 3, 1},  {1, 1, 1, 1, 1, 1, 1},    {3, 60, 2, 48, 2, 1, 1},
  };
  return all;
}

template <class T>
const GemmKernel<T>& gemm_for(Isa isa) {
  for (const GemmKernel<T>& kernel : gemm_kernels<T>())
    if (kernel.isa == isa) return kernel;
  return gemm_kernels<T>().back();
}

template <class T>
std::vector<T> pack(Isa isa, const T* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N) {
  const GemmKernel<T>& gemm = gemm_for<T>(isa);
  std::vector<T> packed(static_cast<size_t>(gemm_packed_size(gemm.panel, K, N)));
  gemm.pack_b(B, k_stride, n_stride, K, N, packed.data());
  return packed;
}

template <class T>
std::vector<T> pack_weight(Isa isa, const T* weight, const Conv2dShape& s) {
  return pack(isa, weight, 1, s.depth(), s.depth(), s.out_channels);
}

template <class T>
std::vector<T> pack_taps(Isa isa, const T* weight, const Conv2dShape& s) {
  std::vector<T> all;
  for (int64_t tap = 0; tap < s.kernel_height * s.kernel_width; ++tap) {
    const auto one = pack(isa, weight + tap * s.in_channels, s.depth(), int64_t{1}, s.out_channels,
                          s.in_channels);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

// One convolution's operands in doubles, and what the scalar reference makes of them.
struct Reference {
  std::vector<double> x, weight, bias, dy;
  std::vector<double> y, dweight_t, dbias, dx;

  explicit Reference(const Conv2dShape& s)
      : x(count(s.in_size())),
        weight(count(s.depth() * s.out_channels)),
        bias(count(s.out_channels)),
        dy(count(s.out_size())),
        dweight_t(weight),
        dbias(bias),
        dx(x) {
    fill_normal(dweight_t, 5);
    fill_normal(dbias, 6);
    fill_normal(dx, 7);
    for (auto* v : {&x, &weight, &bias, &dy}) fill_normal(*v, static_cast<unsigned>(v->size()));
    for (auto* v : {&x, &weight, &bias, &dy, &dweight_t, &dbias, &dx})
      for (double& one : *v) one = static_cast<float>(one);
  }

  static size_t count(int64_t n) { return static_cast<size_t>(n); }

  // The same with every operand's absolute value: its results bound the terms of the sums.
  Reference absolute() const {
    Reference all = *this;
    for (auto* v : {&all.x, &all.weight, &all.bias, &all.dy, &all.dweight_t, &all.dbias, &all.dx})
      for (double& one : *v) one = std::abs(one);
    return all;
  }

  Reference run(const Conv2dShape& s) const {
    Reference out = *this;
    out.y.resize(dy.size());
    conv2d_forward_kernels<double>().back().run(
        x.data(), pack_weight(Isa::scalar, weight.data(), s).data(), bias.data(), out.y.data(), s);
    const auto packed_dy =
        pack(Isa::scalar, dy.data(), s.out_channels, int64_t{1}, s.out_pixels(), s.out_channels);
    conv2d_weight_gradient_kernels<double>().back().run(x.data(), packed_dy.data(),
                                                        out.dweight_t.data(), out.dbias.data(), s);
    conv2d_input_gradient_kernels<double>().back().run(
        dy.data(), pack_taps(Isa::scalar, weight.data(), s).data(), out.dx.data(), s);
    return out;
  }
};

void copy_to(Guarded<float>& to, const std::vector<double>& from) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(from[i]);
}

// Calls f(shape, operands, results, results for absolute operands, guard, offset).
template <class F>
void for_each_shape(F f) {
  for (const Conv2dShape& s : shapes()) {
    const Reference in(s), out = in.run(s), magnitude = in.absolute().run(s);
    INFO("height ", s.height, " in_channels ", s.in_channels, " out_channels ", s.out_channels);
    f(s, in, out, magnitude, Guard::back, size_t{0});
    f(s, in, out, magnitude, Guard::front, size_t{1});
  }
}

// A sum of `terms` products in any order, fused or not.
auto bound_of(int64_t terms, const std::vector<double>& magnitude) {
  return [terms, &magnitude](size_t i) {
    return static_cast<double>(terms + 1) * epsilon * magnitude[i];
  };
}

}  // namespace

TEST_CASE("conv2d reference is the sum that the contract states") {
  // A 3x3 image of 1..9, a 2x2 kernel of 1, 10, 100, 1000, bias 0.5.
  const std::vector<double> x = {1, 2, 3, 4, 5, 6, 7, 8, 9}, weight = {1, 10, 100, 1000},
                            bias = {0.5};
  const Conv2dShape s = {3, 3, 1, 1, 2, 2, 1};
  std::vector<double> y(4);
  conv2d_forward_kernels<double>().back().run(
      x.data(), pack_weight(Isa::scalar, weight.data(), s).data(), bias.data(), y.data(), s);
  CHECK(y == std::vector<double>{5421.5, 6532.5, 8754.5, 9865.5});
}

TEST_CASE("conv2d forward rows agree with the double reference") {
  for_each_shape([](const Conv2dShape& s, const Reference& in, const Reference& out,
                    const Reference& magnitude, Guard guard, size_t offset) {
    for_each_row(conv2d_forward_kernels<float>(), [&](const auto& row) {
      Guarded<float> x(in.x.size(), guard, offset), weight(in.weight.size()),
          bias(in.bias.size(), guard, offset), y(in.dy.size(), guard, offset);
      copy_to(x, in.x);
      copy_to(weight, in.weight);
      copy_to(bias, in.bias);
      row.run(x.data(), pack_weight(row.isa, weight.data(), s).data(), bias.data(), y.data(), s);
      check_close(y, out.y, bound_of(s.depth(), magnitude.y));
    });
  });
}

TEST_CASE("conv2d weight gradient rows agree with the double reference") {
  for_each_shape([](const Conv2dShape& s, const Reference& in, const Reference& out,
                    const Reference& magnitude, Guard guard, size_t offset) {
    for_each_row(conv2d_weight_gradient_kernels<float>(), [&](const auto& row) {
      Guarded<float> x(in.x.size(), guard, offset), dy(in.dy.size());
      Guarded<float> dweight_t(in.weight.size(), guard, offset),
          dbias(in.bias.size(), guard, offset);
      copy_to(x, in.x);
      copy_to(dy, in.dy);
      copy_to(dweight_t, in.dweight_t);
      copy_to(dbias, in.dbias);
      const auto packed =
          pack(row.isa, dy.data(), s.out_channels, int64_t{1}, s.out_pixels(), s.out_channels);
      row.run(x.data(), packed.data(), dweight_t.data(), dbias.data(), s);
      check_close(dweight_t, out.dweight_t, bound_of(s.out_pixels(), magnitude.dweight_t));
      check_close(dbias, out.dbias, bound_of(s.out_pixels(), magnitude.dbias));
    });
  });
}

TEST_CASE("conv2d input gradient rows agree with the double reference") {
  for_each_shape([](const Conv2dShape& s, const Reference& in, const Reference& out,
                    const Reference& magnitude, Guard guard, size_t offset) {
    for_each_row(conv2d_input_gradient_kernels<float>(), [&](const auto& row) {
      Guarded<float> dy(in.dy.size(), guard, offset), weight(in.weight.size()),
          dx(in.x.size(), guard, offset);
      copy_to(dy, in.dy);
      copy_to(weight, in.weight);
      copy_to(dx, in.dx);
      row.run(dy.data(), pack_taps(row.isa, weight.data(), s).data(), dx.data(), s);
      const int64_t terms = s.kernel_height * s.kernel_width * s.out_channels;
      check_close(dx, out.dx, bound_of(terms, magnitude.dx));
    });
  });
}

TEST_CASE("conv2d takes no bias, and part of the output rows") {
  const Conv2dShape s = {9, 8, 4, 19, 3, 3, 2};
  const Reference in(s);
  const std::vector<float> x(in.x.begin(), in.x.end()), weight(in.weight.begin(), in.weight.end());
  for_each_row(conv2d_forward_kernels<float>(), [&](const auto& row) {
    const auto packed = pack_weight(row.isa, weight.data(), s);
    const std::vector<float> zeros(in.bias.size());
    std::vector<float> expected(in.dy.size()), y(in.dy.size());
    row.run(x.data(), packed.data(), zeros.data(), expected.data(), s);
    for (int64_t i = 0; i < s.out_height(); ++i)
      row.run(x.data() + i * s.stride * s.row_size(), packed.data(), nullptr,
              y.data() + i * s.out_width() * s.out_channels, s.with_out_height(1));
    CHECK(y == expected);
  });
}

TEST_CASE("conv2d_pad puts zeros around an image and conv2d_crop takes them away") {
  const Conv2dShape s = {5, 6, 2, 1, 1, 1, 1};
  std::vector<float> x(3 * 4 * 2), back(x.size());
  fill_normal(x, 1);
  std::vector<float> padded(static_cast<size_t>(s.in_size()), 9.0f);
  conv2d_pad(x.data(), padded.data(), 1, 0, 2, s);
  conv2d_pad(x.data(), padded.data() + 2 * s.row_size(), 1, 2, 5, s);
  for (int64_t h = 0; h < 5; ++h)
    for (int64_t i = 0; i < 12; ++i) {
      const bool inside = h >= 1 && h < 4 && i >= 2 && i < 10;
      const float expected = inside ? x[static_cast<size_t>((h - 1) * 8 + i - 2)] : 0.0f;
      CHECK(padded[static_cast<size_t>(h * 12 + i)] == expected);
    }
  conv2d_crop(padded.data(), back.data(), 1, s);
  CHECK(back == x);
}

TEST_CASE("conv2d gradients match finite differences") {
  struct Case {
    Shape x, weight;
    int64_t stride, padding;
  };
  const Case cases[] = {
      {{2, 5, 4, 2}, {3, 3, 3, 2}, 1, 1}, {{1, 6, 5, 1}, {2, 2, 3, 1}, 2, 0},
      {{6, 4, 4, 1}, {3, 2, 2, 1}, 2, 0}, {{1, 3, 4, 3}, {9, 1, 1, 3}, 1, 0},
      {{1, 4, 4, 2}, {2, 3, 3, 2}, 3, 2}, {{5, 2, 2, 1}, {1, 4, 4, 1}, 1, 3},
  };
  unsigned seed = 1;
  for (const Case& one : cases) {
    INFO("weight ", one.weight.str(), " stride ", one.stride, " padding ", one.padding);
    const Tensor x = random_tensor(one.x, seed++), weight = random_tensor(one.weight, seed++);
    check_gradients(
        [&](const auto& in) { return conv2d(in[0], in[1], in[2], one.stride, one.padding); },
        {x, weight, random_tensor({one.weight[0]}, seed++)});
    check_gradients(
        [&](const auto& in) { return conv2d(in[0], in[1], Tensor(), one.stride, one.padding); },
        {x.detach(), weight.detach()});
  }
}

TEST_CASE("conv2d in float agrees with double in both directions") {
  const auto convolve = [](const auto& in) { return conv2d(in[0], in[1], in[2], 1, 1); };
  const std::vector<Tensor> in_float = {random_tensor({6, 9, 8, 20}, 1, DType::f32),
                                        random_tensor({33, 3, 3, 20}, 2, DType::f32),
                                        random_tensor({33}, 3, DType::f32)};
  std::vector<Tensor> in_double;
  for (const Tensor& t : in_float) in_double.push_back(Tensor::of(t.to_vector(), t.shape()));
  const auto results = output_and_gradients(convolve, in_float);
  const auto expected = output_and_gradients(convolve, in_double);
  // Terms of a sum: the depth, taps times outputs, pixels of all images (for weight and bias).
  // Their products of normal samples average 2 / pi, and no sum of them passes three times that.
  const double terms[] = {3 * 3 * 20 + 1, 3 * 3 * 33, 6 * 9 * 8, 6 * 9 * 8};
  for (size_t i = 0; i < results.size(); ++i) {
    INFO("output 0, gradients from 1: ", i);
    check_close(results[i].to_vector(), expected[i].to_vector(),
                [&](size_t) { return terms[i] * epsilon * 2 * terms[i]; });
  }
}

TEST_CASE("conv2d gives the same bits for any number of threads") {
  const auto convolve = [](const auto& in) { return conv2d(in[0], in[1], in[2], 1, 1); };
  for (int64_t images : {1, 18}) {
    check_thread_counts_agree(convolve, {random_tensor({images, 14, 14, 32}, 4, DType::f32),
                                         random_tensor({48, 3, 3, 32}, 5, DType::f32),
                                         random_tensor({48}, 6, DType::f32)});
  }
}

TEST_CASE("conv2d adds to gradients that are there already") {
  const Tensor x = random_tensor({2, 4, 4, 3}, 1), weight = random_tensor({5, 3, 3, 3}, 2);
  const Tensor seed = random_tensor({2, 2, 2, 5}, 3);
  weight.set_requires_grad();
  backward(conv2d(x, weight, Tensor()), {.seed = seed});
  const auto once = weight.grad().to_vector();
  backward(conv2d(x, weight, Tensor()), {.seed = seed});
  const auto twice = weight.grad().to_vector();
  for (size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == 2 * once[i]);
}

TEST_CASE("conv2d on a GPU agrees with the CPU") {
  struct Case {
    Shape x, weight;
    int64_t stride, padding;
  };
  const Case cases[] = {{{2, 5, 4, 2}, {3, 3, 3, 2}, 1, 1},
                        {{1, 6, 5, 1}, {2, 2, 3, 1}, 2, 0},
                        {{5, 2, 2, 1}, {1, 4, 4, 1}, 1, 3},
                        {{3, 9, 8, 20}, {33, 3, 3, 20}, 1, 1},
                        {{2, 12, 12, 1}, {17, 4, 4, 1}, 4, 0}};
  for (const Case& one : cases) {
    INFO("weight ", one.weight.str(), " stride ", one.stride, " padding ", one.padding);
    // The longest sum: over a window, or over all pixels for the weight's gradient. Its terms may
    // cancel down to the square root of their number.
    const double terms = static_cast<double>(
        std::max(one.weight.numel() / one.weight[0], one.x[0] * one.x[1] * one.x[2] * 4));
    check_device_agrees(
        [&](const auto& in) { return conv2d(in[0], in[1], in[2], one.stride, one.padding); },
        {random_tensor(one.x, 1), random_tensor(one.weight, 2), random_tensor({one.weight[0]}, 3)},
        terms, std::sqrt(terms));
  }
}

TEST_CASE("conv2d refuses what it cannot take") {
  const Tensor x = Tensor::zeros({1, 4, 4, 2}), weight = Tensor::zeros({3, 3, 3, 2});
  CHECK_THROWS_WITH_AS(conv2d(x, Tensor::zeros({3, 2, 3, 3}), Tensor()),
                       "conv2d: weight is f32 [3, 2, 3, 3]; expected the 2 channels of x in its "
                       "last dimension; images are [B, H, W, C], weights [O, kh, kw, C]",
                       Error);
  CHECK_THROWS_AS(conv2d(x, weight, Tensor::zeros({2})), Error);
  CHECK_THROWS_AS(conv2d(x, weight, Tensor::zeros({3}, DType::f64)), Error);
  CHECK_THROWS_AS(conv2d(x, weight, Tensor(), 0), Error);
  CHECK_THROWS_AS(conv2d(x, weight, Tensor(), 1, -1), Error);
  CHECK_THROWS_AS(conv2d(x, Tensor::zeros({3, 5, 3, 2}), Tensor()), Error);
  CHECK_THROWS_AS(conv2d(x, Tensor::zeros({3, 3, 3, 2}, DType::f64), Tensor()), Error);
  CHECK_THROWS_AS(conv2d(x, Tensor(), Tensor()), Error);
  CHECK_THROWS_AS(conv2d(Tensor::zeros({4, 4, 2}), weight, Tensor()), Error);
  CHECK(conv2d(Tensor::zeros({0, 4, 4, 2}), weight, Tensor()).shape() == Shape{0, 2, 2, 3});
}

}  // namespace espalier::test::conv2d_tests
