#include "engine/ops/linear_wq.h"

#include "engine/capture.h"
#include "engine/ops/binary.h"
#include "engine/ops/linear.h"
#include "engine/ops/view.h"
#include "engine/plan.h"
#include "engine/precision.h"
#include "kernels/linear_wq/linear_wq.h"
#include "tests/device_test.h"
#include "tests/refusal.h"

namespace espalier::test::linear_wq_tests {
namespace {

int64_t groups_of(int64_t K, int64_t group) { return K / group + (K % group != 0); }

// Code of W[n, k], minus the middle: all that there are, in no order.
int some_code(int64_t n, int64_t k, int bits) {
  const int64_t count = bits == 8 ? 255 : 15;
  return static_cast<int>((n * 31 + k * 37) % count - count / 2);
}

CodedWeight some_weight(int bits, int64_t N, int64_t K, int64_t group) {
  const int64_t in_row = bits == 8 ? K : (K + 1) / 2;
  CodedWeight w{Tensor::zeros({N, in_row}, bits == 8 ? DType::s8 : DType::u8),
                Tensor::empty({N, groups_of(K, group)}), group};
  for (int64_t n = 0; n < N; ++n)
    for (int64_t k = 0; k < K; ++k) {
      auto* row = reinterpret_cast<uint8_t*>(w.codes.bytes()) + n * in_row;
      const int code = some_code(n, k, bits);
      if (bits == 8)
        row[k] = static_cast<uint8_t>(code);
      else
        row[k / 2] = static_cast<uint8_t>(row[k / 2] | (code + 8) << (k % 2 * 4));
    }
  for (int64_t i = 0; i < w.scales.numel(); ++i)
    w.scales.data<float>()[i] = 0.01f * static_cast<float>(1 + i % 23);
  return w;
}

// What the codes stand for.
Tensor meant(const CodedWeight& w, int64_t K) {
  const int64_t N = w.codes.size(0), groups = groups_of(K, w.group);
  const Tensor wide = Tensor::empty({N, K});
  for (int64_t n = 0; n < N; ++n)
    for (int64_t k = 0; k < K; ++k)
      wide.data<float>()[n * K + k] = static_cast<float>(some_code(n, k, w.bits())) *
                                      w.scales.data<float>()[n * groups + k / w.group];
  return wide;
}

struct Case {
  int bits;
  int64_t N, K, group;
};
// Whole and part panels, slices and groups; groups that slices of k cut.
constexpr Case cases[] = {{8, 1, 1, 1},    {8, 33, 67, 67},   {8, 70, 130, 32}, {8, 16, 600, 600},
                          {8, 5, 301, 7},  {4, 1, 1, 1},      {4, 33, 67, 67},  {4, 70, 130, 32},
                          {4, 48, 600, 6}, {4, 19, 515, 200}, {4, 8, 31, 2}};

template <class F>
void for_each_case(F f) {
  for (const Case& c : cases) {
    INFO(c.bits, " bits, N ", c.N, " K ", c.K, " group ", c.group);
    f(c, some_weight(c.bits, c.N, c.K, c.group));
  }
}

}  // namespace

TEST_CASE("linear_wq rows widen codes to the product of a whole number and its scale") {
  for_each_row(linear_wq_kernels(), [&](const KernelRow<LinearWqWiden>& row) {
    for (const int bits : {8, 4})
      for_each_width([&](int64_t K, Guard guard, size_t offset) {
        const int64_t width = row.isa == Isa::scalar ? 8 : K % 2 ? 16 : 32;
        const int64_t rows = bits == 8 ? K : (K + 1) / 2;
        Guarded<uint8_t> codes(static_cast<size_t>(rows * width), guard, offset);
        Guarded<float> scales(static_cast<size_t>(width), guard, offset);
        Guarded<float> to(static_cast<size_t>(K * width), guard, offset);
        for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i * 37 + 5);
        fill_normal(scales, 3);
        row.run(bits, codes.data(), scales.data(), K, width, to.data());
        for (int64_t i = 0; i < K * width; ++i) {
          const int64_t k = i / width, n = i % width;
          const int byte = codes[static_cast<size_t>((bits == 8 ? k : k / 2) * width + n)];
          const int code = bits == 8 ? byte - 128 : (k % 2 ? byte / 16 : byte % 16) - 8;
          const float expected = static_cast<float>(code) * scales[static_cast<size_t>(n)];
          if (!same_bits(to[static_cast<size_t>(i)], expected)) CHECK(false);
        }
      });
  });
}

TEST_CASE("linear_wq is linear on what the codes stand for") {
  for_each_case([](const Case& c, const CodedWeight& w) {
    const Tensor x = random_tensor({2, 3, c.K}, 1, DType::f32);
    const Tensor bias = random_tensor({c.N}, 2, DType::f32), wide = meant(w, c.K);
    CHECK(linear_wq(x, w).to_vector() == linear(x, wide).to_vector());
    const Tensor y = linear_wq(x, w, bias);
    CHECK(y.shape() == Shape{2, 3, c.N});
    CHECK(y.to_vector() == linear(x, wide, bias).to_vector());
  });
}

TEST_CASE("a plan multiplies with slices of widened codes and gives the bits of linear_wq") {
  const NoGradGuard off;
  for_each_case([](const Case& c, const CodedWeight& w) {
    const Tensor bias = random_tensor({c.N}, 2, DType::f32);
    const auto f = [&](const Tensor& x) { return linear_wq(x, w, bias); };
    const Graph graph = capture(f, {5, c.K}, {});
    for (const int threads : {1, 3}) {
      Plan plan = compile(graph, {.threads = threads});
      for (const int64_t batch : {0, 1, 7}) {
        const Tensor x = random_tensor({batch, 5, c.K}, 4, DType::f32);
        CHECK(plan(x).to_vector() == f(x).to_vector());
      }
      // Packed codes and scales, each to a whole block, not fp32 weights.
      if (c.N * c.K > 8000) CHECK(plan.memory().weights < c.N * c.K * 4 * 3 / 4);
    }
  });
}

TEST_CASE("a plan adds linear_wq to its residual") {
  const NoGradGuard off;
  const int64_t K = 130;
  const CodedWeight w = some_weight(4, K, K, 32);
  const auto f = [&](const Tensor& x) {
    const Tensor residual = mul(x, x);
    return add(residual, linear_wq(x, w));
  };
  Plan plan = compile(capture(f, {3, K}, {}));
  const Tensor x = random_tensor({4, 3, K}, 1, DType::f32);
  // Both sums are chains of K + 1 terms in another order.
  const std::vector<double> found = plan(x).to_vector(), expected = f(x).to_vector();
  double largest = 0, most = 0;
  for (const double v : meant(w, K).to_vector()) largest = std::max(largest, std::abs(v));
  for (const double v : x.to_vector()) most = std::max(most, std::abs(v));
  const double terms = static_cast<double>(K + 2), size = most * most + terms * most * largest;
  check_close(found, expected, [&](size_t) { return 2 * terms * epsilon * size; });
  CHECK(plan.steps().size() == 3);  // the product is the sum's memory; the result is copied out
}

TEST_CASE("linear_wq on a GPU is linear there, on what the codes stand for") {
  if (cuda_device_count() == 0) return;
  const auto there = [](const Tensor& x) { return x.to(Device::cuda()); };
  const auto check = [&](const Case& c, const Tensor& x, const Tensor& bias, Precision precision) {
    INFO(std::string(precision_name(precision)));
    const CodedWeight w = some_weight(c.bits, c.N, c.K, c.group);
    const PrecisionScope products(precision);
    const Tensor y = linear_wq(x, {there(w.codes), there(w.scales), c.group}, bias);
    CHECK(y.device() == Device::cuda());
    CHECK(y.to_vector() == linear(x, there(meant(w, c.K)), bias).to_vector());
  };
  for_each_case([&](const Case& c, const CodedWeight&) {
    const Tensor x = there(random_tensor({2, 3, c.K}, 1, DType::f32));
    const Tensor bias = c.N % 2 ? there(random_tensor({c.N}, 2, DType::f32)) : Tensor();
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::f16})
      check(c, x, bias, precision);
  });
  // Rows that do not follow each other, and so many that squares are large.
  const Tensor across = there(random_tensor({31, 67}, 1, DType::f32));
  check({4, 70, 31, 8}, transpose(across, 0, 1), {}, Precision::f32);
  check({8, 130, 3, 2}, there(random_tensor({64 * 128, 3}, 1, DType::f32)), {}, Precision::f32);
  // One scale a channel, said by a group that no sum may be made of.
  check({8, 3, 31, INT64_MAX}, there(random_tensor({2, 31}, 1, DType::f32)), {}, Precision::f32);
}

TEST_CASE("linear_wq refuses what does not fit") {
  const Tensor x = random_tensor({4, 12}, 1, DType::f32), bias = random_tensor({9}, 2, DType::f32);
  const CodedWeight good = some_weight(8, 9, 12, 12), four = some_weight(4, 9, 12, 4);
  const auto refused = [&](const Tensor& in, const CodedWeight& w, const Tensor& b,
                           const char* part) {
    const std::string message = refusal_of([&] { linear_wq(in, w, b); });
    INFO(message);
    CHECK(contains(message, part));
  };
  refused(random_tensor({4, 12}, 1), good, bias, "linear_wq: x is");
  refused(random_tensor({4, 11}, 1, DType::f32), good, bias, "codes");
  refused(random_tensor({4, 15}, 1, DType::f32), four, bias, "codes");
  refused(x, {x, good.scales, 12}, bias, "codes");
  refused(x, {Tensor::zeros({12}, DType::s8), good.scales, 12}, bias, "codes");
  refused(x, {good.codes, good.scales, 6}, bias, "scales");
  refused(x, {good.codes, good.codes, 12}, bias, "scales");
  refused(x, {good.codes, good.scales, 0}, bias, "group");
  refused(x, {good.codes, good.scales, -4}, bias, "group");
  refused(x, {four.codes, some_weight(4, 9, 12, 5).scales, 5}, bias, "even");
  refused(x, good, random_tensor({8}, 2, DType::f32), "bias");
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    const CodedWeight w = some_weight(4, 9, 12, 4);
    w.scales.data<float>()[7] = bad;
    refused(x, w, bias, "positive");
  }
}

}  // namespace espalier::test::linear_wq_tests
