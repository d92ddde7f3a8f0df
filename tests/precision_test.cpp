// Products in bf16: what is rounded, what stays fp32, and that gradients are right all the same.
#include "engine/precision.h"

#include "engine/gemm.h"
#include "engine/ops/attention.h"
#include "engine/ops/binary.h"
#include "engine/ops/cast.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/linear.h"
#include "engine/ops/matmul.h"
#include "nn/vit.h"
#include "tests/product_test.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

struct Product {
  const char* name;
  Function f;
  std::vector<Tensor> inputs;  // f64
  int64_t terms;               // the most that an output or a gradient sums
};

std::vector<Product> products() {
  const auto convolve = [](const auto& x) { return conv2d(x[0], x[1], x[2], 1, 1); };
  return {{"linear",
           [](const auto& x) { return linear(x[0], x[1], x[2]); },
           {random_tensor({45, 130}, 1), random_tensor({67, 130}, 2), random_tensor({67}, 3)},
           131},
          {"linear on the pool",
           [](const auto& x) { return linear(x[0], x[1], x[2]); },
           {random_tensor({700, 131}, 1), random_tensor({67, 131}, 2), random_tensor({67}, 3)},
           700},
          {"matmul",
           [](const auto& x) { return matmul(x[0], x[1]); },
           {random_tensor({3, 17, 33}, 1), random_tensor({33, 21}, 2)},
           51},
          {"conv2d with strides and no border",
           [](const auto& x) { return conv2d(x[0], x[1], x[2], 2, 0); },
           {random_tensor({19, 9, 8, 5}, 1), random_tensor({7, 3, 2, 5}, 2), random_tensor({7}, 3)},
           19 * 4 * 4},
          {"conv2d",
           convolve,
           {random_tensor({5, 7, 6, 3}, 1), random_tensor({9, 3, 3, 3}, 2), random_tensor({9}, 3)},
           5 * 7 * 6}};
}

// Output and gradients of f as its products run in `precision`.
std::vector<Tensor> run(const Function& f, const std::vector<Tensor>& inputs, const Tensor& seed,
                        Precision precision) {
  const PrecisionScope scope(precision);
  return with_seed(f, inputs, seed);
}

std::vector<Tensor> each(const std::vector<Tensor>& tensors, Tensor (*f)(const Tensor&)) {
  std::vector<Tensor> out;
  for (const Tensor& x : tensors) out.push_back(f(x));
  return out;
}

Tensor rounded(const Tensor& x) { return to(to(to_f32(x), DType::bf16), DType::f32); }
Tensor to_f64(const Tensor& x) { return Tensor::of(x.to_vector(), x.shape()); }

bool equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  bool same = true;
  for (size_t i = 0; i < a.size(); ++i) same &= a[i].to_vector() == b[i].to_vector();
  return same;
}

// Products of two operands that are each rounded by up to 2^-8 of themselves, half a unit of 8
// bits.
constexpr double two_roundings = 0x1p-7 + 0x1p-16;

}  // namespace

TEST_CASE("products in bf16 sum exact products of rounded operands in fp32") {
  for (const Product& p : products()) {
    INFO(p.name);
    // Of values that are bf16 already, rounding changes nothing: the bound is that of fp32.
    const auto inputs = each(p.inputs, rounded), exact = each(inputs, to_f64);
    const Tensor seed = rounded(random_tensor(p.f(exact).shape(), 97));
    const auto got = run(p.f, inputs, seed, Precision::bf16);
    const auto expected = with_seed(p.f, exact, to_f64(seed));
    const auto size = with_seed(p.f, each(exact, absolute), absolute(to_f64(seed)));
    for (size_t i = 0; i < got.size(); ++i) {
      const auto bound = size[i].to_vector();
      check_close(got[i].to_vector(), expected[i].to_vector(), [&](size_t j) {
        return static_cast<double>(2 * p.terms + 3) * epsilon * bound[j];
      });
    }
  }
}

TEST_CASE("outputs and gradients in bf16 are those of fp32 but for the rounding of operands") {
  for (const Product& p : products()) {
    INFO(p.name);
    const auto inputs = each(p.inputs, to_f32);
    const Tensor seed = random_tensor(p.f(p.inputs).shape(), 97);
    const auto got = run(p.f, inputs, to_f32(seed), Precision::bf16);
    const auto expected = run(p.f, inputs, to_f32(seed), Precision::f32);
    const auto size = with_seed(p.f, each(p.inputs, absolute), absolute(seed));
    for (size_t i = 0; i < got.size(); ++i) {
      INFO("output 0, gradients from 1: ", i);
      CHECK(got[i].dtype() == DType::f32);
      const auto bound = size[i].to_vector();
      check_close(got[i].to_vector(), expected[i].to_vector(), [&](size_t j) {
        return (two_roundings + static_cast<double>(4 * p.terms + 6) * epsilon) * bound[j];
      });
      // A sum without products, the bias's gradient of linear, may be the same.
      if (i < 3) CHECK(got[i].to_vector() != expected[i].to_vector());
    }
  }
}

TEST_CASE("a gradient in bf16 follows the function's finite differences") {
  // sum(w y y) for y = linear(x): quadratic in x, so that a difference over any step is exact but
  // for the rounding of the function itself.
  const Tensor x = random_tensor({4, 24}, 1), weight = random_tensor({10, 24}, 2);
  const Tensor w = random_tensor({4, 10}, 3);
  const auto f = [](const Tensor& in, const Tensor& matrix, const Tensor& weights) {
    const Tensor y = linear(in, matrix);
    return weighted_sum(mul(y, y), weights);
  };
  const Tensor in = to_f32(x), matrix = to_f32(weight);
  const auto gradient_of = [](const Tensor& at, const Tensor& m, const Tensor& seed) {
    return with_seed(
               [&](const auto& v) {
                 const Tensor y = linear(v[0], m);
                 return mul(y, y);
               },
               {at}, seed)[1]
        .to_vector();
  };
  const PrecisionScope scope(Precision::bf16);
  const auto gradient = gradient_of(in, matrix, to_f32(w));
  const auto size = gradient_of(absolute(x), absolute(weight), absolute(w));  // in double
  const NoGradGuard off;
  // y is off by two roundings of its terms, and so is each y of the square; a gradient multiplies
  // such a y with the weights, two roundings more. 2^-6 stands for their products and fp32's own.
  constexpr double relative = 2 * two_roundings * (1 + 0x1p-6), h = 1;
  float* values = in.data<float>();
  for (size_t i = 0; i < gradient.size(); ++i) {
    const float before = values[i];
    double difference = 0, noise = 0;
    for (float side : {1.0f, -1.0f}) {
      values[i] = before + side * static_cast<float>(h);
      difference += static_cast<double>(side) * f(in, matrix, w) / (2 * h);
      noise += f(absolute(to_f64(in)), absolute(weight), absolute(w)) / (2 * h);
    }
    values[i] = before;
    INFO("element ", i, ": gradient ", gradient[i], ", finite difference ", difference);
    CHECK(std::abs(gradient[i] - difference) <= relative * (size[i] + noise));
  }
}

TEST_CASE("the precision is that of the forward pass, of this thread, and of floats alone") {
  const Product p = products()[0];
  const auto inputs = each(p.inputs, to_f32);
  const Tensor seed = to_f32(random_tensor(p.f(p.inputs).shape(), 97));
  const auto inside = run(p.f, inputs, seed, Precision::bf16);
  const Function forward_alone = [&](const auto& x) {
    const PrecisionScope scope(Precision::bf16);
    return p.f(x);
  };
  CHECK(equal(run(forward_alone, inputs, seed, Precision::f32), inside));
  CHECK(product_precision() == Precision::f32);
  {
    const PrecisionScope outer(Precision::bf16);
    { const PrecisionScope inner(Precision::f32); }
    CHECK(product_precision() == Precision::bf16);
  }
  const Tensor exact_seed = to_f64(seed);
  CHECK(equal(run(p.f, p.inputs, exact_seed, Precision::bf16),
              run(p.f, p.inputs, exact_seed, Precision::f32)));
}

TEST_CASE("products in f16 are refused on the CPU, those of doubles aside") {
  const PrecisionScope scope(Precision::f16);
  for (const Product& p : products()) {
    INFO(p.name);
    const auto inputs = each(p.inputs, to_f32);
    const std::string op = std::string(p.name).substr(0, std::string(p.name).find(' '));
    CHECK(contains(refusal_of([&] { p.f(inputs); }),
                   op + ": precision is f16 on the CPU; expected f32 or bf16"));
    CHECK_NOTHROW(p.f(p.inputs));
  }
}

TEST_CASE("products in bf16 give the same bits for any number of threads") {
  const PrecisionScope scope(Precision::bf16);
  constexpr DType f32 = DType::f32;
  check_thread_counts_agree([](const auto& x) { return linear(x[0], x[1], x[2]); },
                            {random_tensor({1001, 129}, 1, f32), random_tensor({447, 129}, 2, f32),
                             random_tensor({447}, 3, f32)});
  check_thread_counts_agree(
      [](const auto& x) { return matmul(x[0], x[1]); },
      {random_tensor({2, 600, 301}, 1, f32), random_tensor({2, 301, 200}, 2, f32)});
  check_thread_counts_agree([](const auto& x) { return conv2d(x[0], x[1], x[2], 1, 1); },
                            {random_tensor({20, 14, 14, 8}, 1, f32),
                             random_tensor({24, 3, 3, 8}, 2, f32), random_tensor({24}, 3, f32)});
  check_thread_counts_agree([](const auto& x) { return attention(x[0], 4); },
                            {random_tensor({9, 50, 3 * 64}, 1, f32)});
}

TEST_CASE("a model's gradients in bf16 are near those of fp32") {
  ViTConfig config = named_config("vit-tiny");
  config.dropout = config.drop_path = 0;
  Generator generator(1);
  const VisionTransformer model(config, generator);
  const Tensor images = normal(config.batch_shape(4), generator);
  const Tensor labels = Tensor::of<int64_t>({1, 0, 3, 2}, {4});
  const auto gradients = [&](Precision precision) {
    const PrecisionScope scope(precision);
    std::vector<double> all;
    for (const auto& [name, parameter] : model.named_parameters()) parameter.set_grad(Tensor());
    backward(cross_entropy(model(images), labels, 0.1));
    for (const auto& [name, parameter] : model.named_parameters())
      for (double g : parameter.grad().to_vector()) all.push_back(g);
    return all;
  };
  const auto single = gradients(Precision::f32), half = gradients(Precision::bf16);
  double difference = 0, norm = 0;
  for (size_t i = 0; i < single.size(); ++i) {
    difference += (half[i] - single[i]) * (half[i] - single[i]);
    norm += single[i] * single[i];
  }
  // A gradient passes the tokenizer, four products a block and the head, forth and back, each of
  // which changes what it hands on by two roundings. The two of attention, where they are in bf16,
  // have to fit in that too.
  const double passed = 2.0 * static_cast<double>(2 + 4 * config.depth);
  INFO("relative difference ", std::sqrt(difference / norm));
  CHECK(std::sqrt(difference / norm) <= passed * two_roundings);
  CHECK(difference > 0);
}

}  // namespace espalier::test
