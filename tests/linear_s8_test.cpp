// The integer operations on tensors: their numbers, and what they refuse.
#include "engine/ops/linear_s8.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/attention_s8.h"
#include "engine/ops/layer_norm_s8.h"
#include "engine/ops/quantize.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "tests/device_test.h"
#include "tests/refusal.h"

namespace espalier::test::linear_s8_tests {
namespace {

Tensor codes(const Shape& shape, unsigned seed, double scale = 0.02, DType dtype = DType::s8) {
  return quantize(random_tensor(shape, seed, DType::f32), scale, 0, dtype);
}

LinearS8 layer_of(int64_t out, int64_t in) {
  LinearS8 layer{codes({out, in}, 7), Tensor::empty({out}, DType::s32), Tensor::empty({out})};
  for (int64_t n = 0; n < out; ++n) {
    layer.bias.data<int32_t>()[n] = static_cast<int32_t>(97 * n - 400);
    layer.multiplier.data<float>()[n] = 1e-3f * static_cast<float>(n + 1);
  }
  return layer;
}

// The exact sum of row m and channel n times the multiplier.
float scaled(const Tensor& x, const LinearS8& layer, int64_t m, int64_t n) {
  const int64_t K = layer.weight.size(1);
  int32_t sum = layer.bias.data<int32_t>()[n];
  for (int64_t k = 0; k < K; ++k)
    sum += x.data<int8_t>()[m * K + k] * layer.weight.data<int8_t>()[n * K + k];
  return static_cast<float>(sum) * layer.multiplier.data<float>()[n];
}

}  // namespace

TEST_CASE("linear_s8 rounds the exact sum once, and then looks it up") {
  const Tensor x = codes({3, 5, 12}, 1);
  const LinearS8 layer = layer_of(9, 12);
  Tensor table = Tensor::empty({256}, DType::s8);
  for (int i = 0; i < 256; ++i) table.data<int8_t>()[i] = static_cast<int8_t>(i * 37 % 256 - 128);
  const Tensor y = linear_s8(x, layer, -6), z = linear_s8(x, layer, -6, {table});
  CHECK(y.shape() == Shape{3, 5, 9});
  for (int64_t i = 0; i < y.numel(); ++i) {
    const auto code = static_cast<int>(
        std::clamp(std::nearbyint(scaled(x, layer, i / 9, i % 9)) - 6, -128.0f, 127.0f));
    CHECK(y.data<int8_t>()[i] == code);
    CHECK(z.data<int8_t>()[i] == table.data<int8_t>()[code + 128]);
  }
}

TEST_CASE("add_linear_s8 adds to the stream and leaves its operand alone") {
  const Tensor x = codes({4, 12}, 1), stream = codes({4, 9}, 2, 1e-4, DType::s16);
  const Tensor before = codes({4, 9}, 2, 1e-4, DType::s16);
  const LinearS8 layer = layer_of(9, 12);
  const Tensor y = add_linear_s8(stream, x, layer);
  CHECK(stream.to_vector() == before.to_vector());
  for (int64_t i = 0; i < y.numel(); ++i)
    CHECK(y.data<int16_t>()[i] ==
          std::clamp(before.data<int16_t>()[i] + std::nearbyint(scaled(x, layer, i / 9, i % 9)),
                     -32'768.0f, 32'767.0f));
}

TEST_CASE("integer operations give the same codes on any number of threads") {
  const Tensor x = codes({64, 50, 48}, 1), stream = codes({64, 50, 64}, 2, 1e-4, DType::s16);
  const LinearS8 layer = layer_of(64, 48);
  const Tensor weight = random_tensor({64}, 3, DType::f32);
  const int before = num_threads();
  std::vector<std::vector<double>> results[4];
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    results[0].push_back(linear_s8(x, layer, 1).to_vector());
    results[1].push_back(add_linear_s8(stream, x, layer).to_vector());
    results[2].push_back(layer_norm_s8(stream, weight, weight, 0.5).to_vector());
    results[3].push_back(attention_s8(x, 4, {0.05, 0.7, 2}).to_vector());
  }
  set_num_threads(before);
  for (const auto& result : results)
    for (const auto& one : result) CHECK(one == result.front());
}

TEST_CASE("linear_s8 and add_linear_s8 on a GPU give the CPU's codes") {
  const Tensor table = codes({256}, 4);
  for (int64_t in : {12, 48}) {  // rows that end on a boundary of 16 bytes, and that do not
    const Tensor x = codes({3, 5, in}, 1), stream = codes({3, 5, 9}, 2, 1e-4, DType::s16);
    const LinearS8 layer = layer_of(9, in);
    const std::vector<Tensor> operands = {x,     layer.weight, layer.bias, layer.multiplier,
                                          table, stream};
    const auto layer_in = [](const auto& on) { return LinearS8{on[1], on[2], on[3]}; };
    check_device_gives_the_same([&](const auto& on) { return linear_s8(on[0], layer_in(on), -6); },
                                operands);
    check_device_gives_the_same(
        [&](const auto& on) { return linear_s8(on[0], layer_in(on), -6, {on[4]}); }, operands);
    check_device_gives_the_same(
        [&](const auto& on) { return add_linear_s8(on[5], on[0], layer_in(on)); }, operands);
  }
}

TEST_CASE("integer operations refuse what does not fit") {
  const Tensor x = codes({4, 12}, 1), f = random_tensor({4, 12}, 1, DType::f32);
  const Tensor stream = codes({4, 9}, 2, 1e-4, DType::s16);
  const LinearS8 layer = layer_of(9, 12);
  const auto refused = [](const std::function<void()>& call, const char* part) {
    const std::string message = refusal_of(call);
    INFO(message);
    CHECK(contains(message, part));
  };
  refused([&] { linear_s8(f, layer, 0); }, "linear_s8: x is");
  refused([&] { linear_s8(codes({4, 11}, 1), layer, 0); }, "weight");
  refused([&] { linear_s8(x, layer, 128); }, "zero_point");
  refused([&] { linear_s8(x, layer, 0, {codes({255}, 1)}); }, "table");
  refused([&] { linear_s8(x, {layer.weight, f, layer.multiplier}, 0); }, "bias");
  const Tensor large = Tensor::of<int32_t>(std::vector<int32_t>(9, INT32_MAX), {9});
  refused([&] { linear_s8(x, {layer.weight, large, layer.multiplier}, 0); }, "32 bits");
  refused([&] { linear_s8(x, {layer.weight, layer.bias, layer.bias}, 0); }, "multiplier");
  refused([&] { linear_s8(x, {layer.weight, layer.bias, layer.multiplier, f}, 0); }, "scale");
  refused([&] { linear_s8(codes({1, 65'794}, 1), layer_of(1, 65'794), 0); }, "65793");
  refused([&] { add_linear_s8(x, x, layer); }, "residual");
  refused([&] { add_linear_s8(codes({4, 8}, 2, 1e-4, DType::s16), x, layer); }, "residual");
  const Tensor weight = random_tensor({9}, 3, DType::f32);
  refused([&] { layer_norm_s8(x, weight, weight, 1); }, "layer_norm_s8: x is");
  refused([&] { layer_norm_s8(stream, weight, f, 1); }, "bias");
  refused([&] { layer_norm_s8(stream, weight, weight, 0); }, "eps");
  refused(
      [&] {
        layer_norm_s8(codes({1, 32'769}, 1, 1e-4, DType::s16), weight, weight, 1);
      },
      "32768");
  refused([&] { attention_s8(f, 2, {1, 1, 0}); }, "attention_s8: qkv is");
  refused([&] { attention_s8(codes({1, 4, 13}, 1), 2, {1, 1, 0}); }, "multiple of 6");
  refused([&] { attention_s8(codes({1, 4, 12}, 1), 0, {1, 1, 0}); }, "heads");
  refused([&] { attention_s8(codes({1, 4, 12}, 1), 2, {-1, 1, 0}); }, "score");
  refused([&] { attention_s8(codes({1, 4, 12}, 1), 2, {1, 1, 200}); }, "zero_point");
  refused([&] { quantize(f, 0, 0, DType::s8); }, "scale");
  refused([&] { quantize(f, 1, 128, DType::s8); }, "zero_point");
  refused([&] { quantize(f, 1, 0, DType::u8); }, "dtype");
  refused([&] { quantize(x, 1, 0, DType::s8); }, "quantize: x is");
  refused([&] { dequantize(f, 1, 0); }, "dtype");
}

}  // namespace espalier::test::linear_s8_tests
