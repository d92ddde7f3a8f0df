#include "engine/ops/linear_dynamic.h"

#include "engine/capture.h"
#include "engine/ops/binary.h"
#include "engine/ops/view.h"
#include "engine/plan.h"
#include "kernels/linear_dynamic/linear_dynamic.h"
#include "tests/device_test.h"
#include "tests/refusal.h"

namespace espalier::test::linear_dynamic_tests {
namespace {

struct Layer {
  Tensor codes, scales, bias;

  Layer(int64_t N, int64_t K)
      : codes(Tensor::empty({N, K}, DType::s8)),
        scales(Tensor::empty({N, 1})),
        bias(random_tensor({N}, 3, DType::f32)) {
    for (int64_t i = 0; i < codes.numel(); ++i)
      codes.data<int8_t>()[i] = static_cast<int8_t>(i * 37 % 255 - 127);
    for (int64_t n = 0; n < N; ++n) scales.data<float>()[n] = 0.001f * static_cast<float>(n + 1);
  }
  Tensor operator()(const Tensor& x) const {
    const std::vector<Tensor> here = moved({codes, scales, bias}, x.device());
    return linear_dynamic(x, here[0], here[1], here[2]);
  }

  // The contract, for one row of x.
  std::vector<float> expected(const float* x) const {
    const int64_t N = codes.size(0), K = codes.size(1);
    float largest = 0;
    bool finite = true;
    for (int64_t k = 0; k < K; ++k)
      finite &= std::isfinite(x[k]), largest = std::max(largest, std::abs(x[k]));
    const bool zero = largest < 127 * std::numeric_limits<float>::min();
    const float inverse = zero ? 0 : 127 / largest, scale = zero ? 0 : largest / 127;
    std::vector<float> y;
    for (int64_t n = 0; n < N; ++n) {
      int64_t sum = 0;
      for (int64_t k = 0; finite && k < K; ++k)
        sum +=
            static_cast<int64_t>(std::nearbyint(x[k] * inverse)) * codes.data<int8_t>()[n * K + k];
      const float value = static_cast<float>(sum) * scales.data<float>()[n] * scale;
      y.push_back(finite ? value + bias.data<float>()[n] : std::nanf(""));
    }
    return y;
  }
};

void check_rows(const Layer& layer, const Tensor& x, Device device) {
  const int64_t N = layer.codes.size(0), K = layer.codes.size(1);
  const Tensor there = layer(x.to(device)), y = there.to(Device::cpu());
  CHECK(there.device() == device);
  for (int64_t m = 0; m < y.numel() / N; ++m) {
    INFO("row ", m);
    const std::vector<float> expected = layer.expected(x.data<float>() + m * K);
    for (int64_t n = 0; n < N; ++n) {
      const float found = y.data<float>()[m * N + n], wanted = expected[static_cast<size_t>(n)];
      if (std::isnan(wanted))
        CHECK(std::isnan(found));
      else
        CHECK(found == wanted);
    }
  }
}

std::vector<Device> devices() {
  std::vector<Device> all = {Device::cpu()};
  if (cuda_device_count() > 0) all.push_back(Device::cuda());
  return all;
}

constexpr int64_t shapes[][2] = {{1, 1}, {33, 67}, {70, 130}, {16, 600}, {96, 32}};

}  // namespace

TEST_CASE("linear_dynamic rows scale sums one operation after the other") {
  for_each_row(linear_dynamic_kernels(), [](const KernelRow<LinearDynamicPut>& row) {
    for_each_width([&](int64_t N, Guard guard, size_t offset) {
      const auto count = static_cast<size_t>(N);
      Guarded<int32_t> sums((count + 15) / 16 * 16, guard, offset);
      Guarded<float> channel(count, guard, offset), bias(count, guard, offset);
      for (size_t i = 0; i < sums.size(); ++i)
        sums[i] = static_cast<int32_t>(i * 0x9e3779b9u) / (i % 3 ? 1 : 4096);
      fill_normal(channel, 1), fill_normal(bias, 2);
      for (const bool biased : {false, true})
        for (const bool accumulate : {false, true}) {
          Guarded<float> y(count, guard, offset);
          fill_normal(y, 3);
          const std::vector<float> before(y.begin(), y.end());
          row.run(sums.data(), channel.data(), 0.37f, biased ? bias.data() : nullptr, accumulate, N,
                  y.data());
          for (size_t n = 0; n < count; ++n) {
            const float scaled = static_cast<float>(sums[n]) * channel[n] * 0.37f;
            const float value = biased ? scaled + bias[n] : scaled;
            if (!same_bits(y[n], accumulate ? before[n] + value : value)) CHECK(false);
          }
        }
    });
  });
}

TEST_CASE("linear_dynamic rounds each row by its own scale and multiplies exactly") {
  for (const Device device : devices())
    for (const auto& shape : shapes) {
      const int64_t N = shape[0], K = shape[1];
      INFO(device.str(), " N ", N, " K ", K);
      const Tensor x = random_tensor({2, 51, K}, 1, DType::f32);
      for (int64_t m = 0; m < 102; ++m)  // each row of another size
        for (int64_t k = 0; k < K; ++k)
          x.data<float>()[m * K + k] *= std::ldexp(1.0f, static_cast<int>(m % 60) - 30);
      CHECK(Layer(N, K)(x).shape() == Shape{2, 51, N});
      check_rows(Layer(N, K), x, device);
    }
}

TEST_CASE("linear_dynamic keeps special values to their row") {
  constexpr int64_t K = 67;
  const Tensor x = random_tensor({16, K}, 1, DType::f32);
  const auto put = [&](int64_t m, float value) { x.data<float>()[m * K + m * 3] = value; };
  for (int64_t k = 0; k < K; ++k) {
    x.data<float>()[k] = 0;
    x.data<float>()[2 * K + k] = -0.0f;
    x.data<float>()[4 * K + k] = k % 2 ? 1e-37f : -1e-38f;
    x.data<float>()[6 * K + k] = k % 2 ? 2e-36f : -1e-37f;
  }
  put(8, std::numeric_limits<float>::quiet_NaN());
  put(10, std::numeric_limits<float>::infinity());
  put(12, -std::numeric_limits<float>::infinity());
  put(14, std::numeric_limits<float>::max());
  for (const Device device : devices()) check_rows(Layer(33, K), x, device);
  const Tensor y = Layer(33, K)(x);
  CHECK(y.data<float>()[0] == Layer(33, K).bias.data<float>()[0]);
}

TEST_CASE("linear_dynamic on a GPU gives the CPU's bits, of strided rows and in large tiles") {
  const auto no_bias = [](const auto& in) { return linear_dynamic(in[0], in[1], in[2]); };
  const auto strided = [](const auto& in) {
    return linear_dynamic(transpose(in[0], 0, 1), in[1], in[2]);
  };
  const Layer few(70, 31), many(2, 3);
  check_device_gives_the_same(no_bias,
                              {random_tensor({67, 31}, 1, DType::f32), few.codes, few.scales});
  check_device_gives_the_same(strided,
                              {random_tensor({31, 67}, 1, DType::f32), few.codes, few.scales});
  check_device_gives_the_same(
      no_bias, {random_tensor({63 * 128 + 1, 3}, 1, DType::f32), many.codes, many.scales});
}

TEST_CASE("a plan gives the bits of linear_dynamic, and of what it is added to") {
  const NoGradGuard off;
  const int before = num_threads();
  for (const auto& shape : shapes) {
    const int64_t N = shape[0], K = shape[1];
    INFO("N ", N, " K ", K);
    const Layer layer(N, K), back(K, N);
    const auto f = [&](const Tensor& x) {
      const Tensor residual = mul(x, x);
      return add(residual, back(layer(x)));
    };
    const Graph graph = capture(f, {53, K}, {});
    for (const int threads : {1, 3}) {
      Plan plan = compile(graph, {.threads = threads});
      for (const Plan::StepInfo& step : plan.steps())
        if (step.operation.starts_with("linear")) CHECK(step.arithmetic == DType::s8);
      CHECK(plan.steps().size() == 4);  // the sum is done by the second layer
      for (const int64_t batch : {0, 1, 7}) {
        set_num_threads(threads);
        const Tensor x = random_tensor({batch, 53, K}, 4, DType::f32);
        CHECK(plan(x).to_vector() == f(x).to_vector());
      }
    }
  }
  set_num_threads(before);
}

TEST_CASE("linear_dynamic refuses what does not fit") {
  const Tensor x = random_tensor({4, 12}, 1, DType::f32);
  const Layer good(9, 12);
  const auto refused = [&](const Tensor& in, const Layer& layer, const char* part) {
    const std::string message = refusal_of([&] { layer(in); });
    INFO(message);
    CHECK(contains(message, part));
  };
  const auto with = [&](auto change) {
    Layer layer(9, 12);
    change(layer);
    return layer;
  };
  refused(random_tensor({4, 12}, 1), good, "linear_dynamic: x is");
  refused(random_tensor({4, 11}, 1, DType::f32), good, "codes");
  refused(x, with([](Layer& l) { l.codes = Tensor::zeros({9, 12}, DType::u8); }), "codes");
  refused(x, with([](Layer& l) { l.scales = Tensor::full({9, 2}, 1); }), "scales");
  refused(x, with([](Layer& l) { l.scales = Tensor::full({9, 1}, 0); }), "positive");
  refused(x, with([](Layer& l) { l.bias = Tensor::zeros({8}); }), "bias");
  refused(random_tensor({1, 65'794}, 1, DType::f32), Layer(1, 65'794), "65793");
}

}  // namespace espalier::test::linear_dynamic_tests
