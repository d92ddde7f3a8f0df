// What the tests of ops made of matrix products share.
#pragma once

#include "tests/gradient_test.h"

namespace espalier::test {

inline Tensor to_f32(const Tensor& x) {
  const auto values = x.to_vector();
  return Tensor::of(std::vector<float>(values.begin(), values.end()), x.shape());
}

inline Tensor absolute(const Tensor& x) {
  auto values = x.to_vector();
  for (double& v : values) v = std::abs(v);
  return Tensor::of(values, x.shape());
}

// The output of f, then every input's gradient for the output gradient `seed`.
inline std::vector<Tensor> with_seed(const Function& f, const std::vector<Tensor>& inputs,
                                     const Tensor& seed) {
  for (const Tensor& x : inputs) x.set_requires_grad().set_grad(Tensor());
  std::vector<Tensor> results = {f(inputs)};
  backward(results[0], {.seed = seed});
  for (const Tensor& x : inputs) results.push_back(x.grad());
  return results;
}

// Holds output and gradients of f, a sum of products of its f64 `inputs`, in f32 against f64. A sum
// of at most `terms` products makes 2 terms roundings and each operand one more; the magnitudes
// that meet are the same sums over absolute values.
inline void check_f32_against_f64(const Function& f, const std::vector<Tensor>& inputs,
                                  int64_t terms) {
  std::vector<Tensor> single, magnitudes;
  for (const Tensor& x : inputs) {
    single.push_back(to_f32(x));
    magnitudes.push_back(absolute(x));
  }
  const Tensor seed = random_tensor(f(inputs).shape(), 97);
  const auto expected = with_seed(f, inputs, seed);
  const auto got = with_seed(f, single, to_f32(seed));
  const auto size = with_seed(f, magnitudes, absolute(seed));
  for (size_t i = 0; i < got.size(); ++i) {
    INFO("output 0, gradients from 1: ", i);
    CHECK(got[i].dtype() == DType::f32);
    REQUIRE(got[i].shape() == expected[i].shape());
    const auto bound = size[i].to_vector();
    check_close(got[i].to_vector(), expected[i].to_vector(),
                [&](size_t j) { return static_cast<double>(2 * terms + 3) * epsilon * bound[j]; });
  }
}

}  // namespace espalier::test
