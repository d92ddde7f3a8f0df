#include "engine/ops/conv2d_s8.h"

#include <algorithm>
#include <cmath>

#include "engine/capture.h"
#include "engine/dispatch.h"
#include "engine/ops/cast.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/plan.h"
#include "kernels/conv2d_s8/conv2d_s8.h"
#include "tests/device_test.h"
#include "tests/refusal.h"

namespace espalier::test::conv2d_s8_tests {
namespace {

Tensor codes(const Shape& shape, unsigned seed) {
  return quantize(random_tensor(shape, seed, DType::f32), 0.02, 0, DType::s8);
}

LinearS8 layer_of(const Shape& weight) {
  const int64_t O = weight[0];
  LinearS8 layer{codes(weight, 7), Tensor::empty({O}, DType::s32), Tensor::empty({O})};
  for (int64_t n = 0; n < O; ++n) {
    layer.bias.data<int32_t>()[n] = static_cast<int32_t>(97 * n - 400);
    layer.multiplier.data<float>()[n] = 1e-3f * static_cast<float>(n % 16 + 1);
  }
  return layer;
}

// Depths and channels straddle groups, tiles and panels; kernels, strides and borders of each kind;
// images by themselves and several, in one block of rows and in more.
struct Case {
  Shape x, weight;
  WindowsS8 windows;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{2, 9, 8, 1}, {64, 3, 3, 1}, {1, 1, -55}},
      {{1, 16, 16, 64}, {33, 3, 3, 64}, {1, 1, -128}},
      {{17, 8, 8, 1}, {31, 4, 4, 1}, {4, 0, 9}},
      {{3, 7, 5, 5}, {7, 2, 3, 5}, {2, 1, 127}},
      {{1, 3, 3, 100}, {65, 1, 1, 100}, {1, 0, 0}},
      {{2, 5, 6, 3}, {1, 5, 4, 3}, {1, 2, 1}},
      {{18, 6, 6, 98}, {20, 3, 3, 98}, {3, 1, -20}},
      {{17, 16, 16, 64}, {1, 3, 3, 64}, {2, 1, 3}},
  };
  return all;
}

// By way of doubles, which hold every sum: the border taken away, so that it is 0 there.
std::vector<double> expected_of(const Case& one, const Tensor& x, const LinearS8& layer,
                                int zero_point) {
  const Tensor weight = to(layer.weight, DType::f64);
  const auto conv = [&](const Tensor& in, int64_t padding) {
    return conv2d(in, weight, Tensor(), one.windows.stride, padding);
  };
  std::vector<double> moved = x.to_vector();
  for (double& v : moved) v -= static_cast<double>(one.windows.border);
  std::vector<double> y = conv(Tensor::of(moved, one.x), one.windows.padding).to_vector();
  const int64_t O = one.weight[0], depth = one.weight.numel() / O;
  for (size_t i = 0; i < y.size(); ++i) {
    const auto n = static_cast<int64_t>(i) % O;
    const int8_t* w = layer.weight.data<int8_t>() + n * depth;
    double sum = y[i] + layer.bias.data<int32_t>()[n];
    for (int64_t k = 0; k < depth; ++k) sum += static_cast<double>(one.windows.border * w[k]);
    const float scaled = static_cast<float>(sum) * layer.multiplier.data<float>()[n];
    y[i] = std::clamp(std::nearbyint(static_cast<double>(scaled)) + zero_point, -128.0, 127.0);
  }
  return y;
}

}  // namespace

TEST_CASE("conv2d_s8 rows of patches are windows of an image, within their memory") {
  for (const Conv2dShape& s : {Conv2dShape{5, 6, 1, 1, 3, 3, 1}, Conv2dShape{4, 5, 7, 1, 2, 3, 2},
                               Conv2dShape{3, 3, 16, 1, 3, 2, 1}, Conv2dShape{1, 1, 1, 1, 1, 1, 1}})
    for (int64_t gap : {0, 3}) {
      const int64_t stride = s.depth() + gap;
      const auto bytes = [](int64_t count) { return static_cast<size_t>(count + conv2d_s8_slack); };
      Guarded<int8_t> x(bytes(s.in_size())), patches(bytes(s.out_pixels() * stride));
      fill_normal(x, 1, 50);
      conv2d_s8_patches(x.data(), patches.data(), stride, s);
      for (int64_t p = 0; p < s.out_pixels(); ++p)
        for (int64_t k = 0; k < s.depth(); ++k) {
          const int64_t row = s.kernel_width * s.in_channels, u = k / row;
          const int64_t i = p / s.out_width() * s.stride, j = p % s.out_width() * s.stride;
          CHECK(patches.data()[p * stride + k] ==
                x.data()[(i + u) * s.row_size() + j * s.in_channels + k % row]);
        }
    }
}

TEST_CASE("conv2d_s8_pad puts a code around rows of an image") {
  const Conv2dShape s = {5, 6, 2, 1, 1, 1, 1};
  std::vector<int8_t> x(3 * 4 * 2), padded(static_cast<size_t>(s.in_size()), 9);
  fill_normal(x, 1, 50);
  conv2d_s8_pad(x.data(), padded.data(), 1, -7, 0, 2, s);
  conv2d_s8_pad(x.data(), padded.data() + 2 * s.row_size(), 1, -7, 2, 5, s);
  for (int64_t h = 0; h < 5; ++h)
    for (int64_t i = 0; i < 12; ++i) {
      const bool inside = h >= 1 && h < 4 && i >= 2 && i < 10;
      const int expected = inside ? x[static_cast<size_t>((h - 1) * 8 + i - 2)] : -7;
      CHECK(padded[static_cast<size_t>(h * 12 + i)] == expected);
    }
}

TEST_CASE("conv2d_s8 rounds the exact sum once, on every instruction set and thread count") {
  const Isa limit = isa_limit();
  const int before = num_threads();
  int zero_point = 5;
  for (const Case& one : cases()) {
    INFO(one.x[3], " channels, weight of ", one.weight.numel());
    const LinearS8 layer = layer_of(one.weight);
    const Tensor x = codes(one.x, 3);
    zero_point = -123 - zero_point;  // 5 or -128
    const std::vector<double> expected = expected_of(one, x, layer, zero_point);
    for (Isa isa : built_isas()) {
      if (!cpu_can_run(isa) || isa > limit) continue;
      limit_isa(isa);
      for (int threads : {1, 2, 3, 8}) {
        INFO(std::string(isa_name(isa)), ", ", threads, " threads");
        set_num_threads(threads);
        CHECK(conv2d_s8(x, layer, one.windows, zero_point).to_vector() == expected);
      }
    }
    limit_isa(limit);
  }
  set_num_threads(before);
}

TEST_CASE("conv2d_s8 rows of all patches are those of each image with its border") {
  const Conv2dShape s = {7, 6, 5, 1, 3, 2, 2};
  constexpr int64_t images = 3, padding = 1;
  constexpr int8_t border = -7;
  const int64_t inside = 5 * 4 * 5, depth = s.depth(), stride = depth + 3;
  std::vector<int8_t> expected;
  Guarded<int8_t> x(images * inside);
  fill_normal(x, 1, 50);
  for (int64_t b = 0; b < images; ++b) {
    const auto bytes = [](int64_t count) { return static_cast<size_t>(count + conv2d_s8_slack); };
    std::vector<int8_t> bordered(bytes(s.in_size())), patches(bytes(s.out_pixels() * stride));
    conv2d_s8_pad(x.data() + b * inside, bordered.data(), padding, border, 0, s.height, s);
    conv2d_s8_patches(bordered.data(), patches.data(), stride, s);
    for (int64_t i = 0; i < s.out_pixels() * stride; ++i)
      expected.push_back(i % stride < depth ? patches[static_cast<size_t>(i)] : int8_t{0});
  }
  for_each_row(conv2d_s8_unfold_kernels(), [&](const auto& row) {
    Guarded<int8_t> patches(expected.size());
    row.run(x.data(), patches.data(), stride, images, padding, border, s);
    CHECK(std::vector<int8_t>(patches.begin(), patches.end()) == expected);
  });
}

TEST_CASE("conv2d_s8 on a GPU gives the CPU's codes") {
  for (const Case& one : cases()) {
    INFO(one.x[3], " channels, weight of ", one.weight.numel());
    const LinearS8 layer = layer_of(one.weight);
    check_device_gives_the_same(
        [&](const auto& on) {
          return conv2d_s8(on[0], {on[1], on[2], on[3]}, one.windows, 5);
        },
        {codes(one.x, 3), layer.weight, layer.bias, layer.multiplier});
  }
}

TEST_CASE("a plan with convolutions on codes gives the bits of the operations") {
  const Case one = {{19, 10, 10, 3}, {24, 3, 3, 3}, {1, 1, -11}};
  const LinearS8 layer = layer_of(one.weight);
  const auto run = [&](const Tensor& x) {
    const Tensor in = quantize(x, 0.02, one.windows.border, DType::s8);
    return dequantize(max_pool2d(conv2d_s8(in, layer, one.windows, -128), 3, 2, 1), 0.1, -128);
  };
  const Graph graph = capture(run, {10, 10, 3}, {});
  const Tensor x = random_tensor(one.x, 4, DType::f32);
  for (int threads : {1, 3})
    for (int64_t chunk : {1, 4, 0}) {
      Plan plan = compile(graph, {.threads = threads, .chunk = chunk});
      CHECK(plan(x).to_vector() == run(x).to_vector());
    }
}

TEST_CASE("conv2d_s8 refuses what does not fit") {
  const Tensor x = codes({1, 4, 4, 3}, 1), f = random_tensor({1, 4, 4, 3}, 1, DType::f32);
  const LinearS8 layer = layer_of({9, 3, 3, 3});
  const auto refused = [](const std::function<void()>& call, const char* part) {
    const std::string message = refusal_of(call);
    INFO(message);
    CHECK(contains(message, part));
  };
  refused([&] { conv2d_s8(f, layer, {}, 0); }, "conv2d_s8: x is");
  refused([&] { conv2d_s8(codes({4, 4, 3}, 1), layer, {}, 0); }, "[B, H, W, C]");
  refused([&] { conv2d_s8(codes({1, 4, 4, 2}, 1), layer, {}, 0); }, "channels of x");
  refused([&] { conv2d_s8(codes({1, 2, 4, 3}, 1), layer, {}, 0); }, "more padding");
  refused([&] { conv2d_s8(x, layer, {0, 0, 0}, 0); }, "stride");
  refused([&] { conv2d_s8(x, layer, {1, -1, 0}, 0); }, "padding");
  refused([&] { conv2d_s8(x, layer, {1, 0, 200}, 0); }, "border");
  refused([&] { conv2d_s8(x, layer, {}, 128); }, "zero_point");
  refused([&] { conv2d_s8(x, {layer.weight, f, layer.multiplier}, {}, 0); }, "bias");
  refused([&] { conv2d_s8(x, {f, layer.bias, layer.multiplier}, {}, 0); }, "weight");
}

}  // namespace espalier::test::conv2d_s8_tests
