// Gradients against finite differences in double, for any op.
#pragma once

#include <functional>
#include <vector>

#include "engine/autograd.h"
#include "engine/parallel.h"
#include "tests/kernel_test.h"

namespace espalier::test {

inline Tensor random_tensor(const Shape& shape, unsigned seed, DType dtype = DType::f64,
                            double deviation = 1.0) {
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  fill_normal(values, seed, deviation);
  const Tensor x = Tensor::of(values, shape);
  if (dtype == DType::f64) return x;
  return Tensor::of(std::vector<float>(values.begin(), values.end()), shape);
}

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

// sum(y * w) for fixed random weights w of y's shape: a scalar that every element of y reaches.
inline double weighted_sum(const Tensor& y, const Tensor& weights) {
  const auto a = y.to_vector(), b = weights.to_vector();
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Runs backward with a random output gradient and holds the gradient of every input against central
// differences. Their error is h^2 |f'''| / 6 + eps |f| / h; with h = cbrt(eps) both are about
// eps^(2/3), scaled by the magnitude of the function and of its gradient.
inline void check_gradients(const Function& f, const std::vector<Tensor>& inputs) {
  constexpr double eps = std::numeric_limits<double>::epsilon();
  const double h = std::cbrt(eps);
  for (const Tensor& x : inputs) x.set_requires_grad();
  const Tensor y = f(inputs);
  const Tensor weights = random_tensor(y.shape(), 99);
  backward(y, {.seed = weights});
  const NoGradGuard off;
  for (size_t which = 0; which < inputs.size(); ++which) {
    INFO("input ", which);
    const Tensor& x = inputs[which];
    REQUIRE(x.grad().defined());
    const auto gradient = x.grad().to_vector();
    double* values = x.data<double>();
    double largest = 1;
    for (double g : gradient) largest = std::max(largest, std::abs(g));
    for (size_t i = 0; i < gradient.size(); ++i) {
      const double before = values[i];
      values[i] = before + h;
      const double above = weighted_sum(f(inputs), weights);
      values[i] = before - h;
      const double below = weighted_sum(f(inputs), weights);
      values[i] = before;
      const double slope = (above - below) / (2 * h);
      const double bound = 64 * std::pow(eps, 2.0 / 3.0) * (largest + std::abs(above));
      INFO("element ", i, ": gradient ", gradient[i], ", finite difference ", slope);
      CHECK(std::abs(gradient[i] - slope) <= bound);
    }
  }
}

// The output of f, then the gradient of each input under a fixed random seed of the output.
inline std::vector<Tensor> output_and_gradients(const Function& f,
                                                const std::vector<Tensor>& inputs) {
  for (const Tensor& x : inputs) x.set_requires_grad().set_grad(Tensor());
  std::vector<Tensor> results = {f(inputs)};
  const Tensor seed = random_tensor(results[0].shape(), 98, results[0].dtype());
  backward(results[0], {.seed = seed.to(results[0].device())});
  for (const Tensor& x : inputs) results.push_back(x.grad());
  return results;
}

// f of f32 `inputs`: output and gradients have the same bits for 1, 2, 3 and 8 threads.
inline void check_thread_counts_agree(const Function& f, const std::vector<Tensor>& inputs) {
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<Tensor> expected = output_and_gradients(f, inputs);
  for (int threads : {2, 3, 8}) {
    INFO("threads: ", threads);
    set_num_threads(threads);
    const std::vector<Tensor> results = output_and_gradients(f, inputs);
    for (size_t i = 0; i < results.size(); ++i) {
      INFO("output 0, gradients from 1: ", i);
      const size_t bytes = static_cast<size_t>(results[i].numel()) * sizeof(float);
      CHECK(std::memcmp(results[i].data<float>(), expected[i].data<float>(), bytes) == 0);
    }
  }
  set_num_threads(before);
}

}  // namespace espalier::test
