// Operations on a GPU against the same on the CPU.
#pragma once

#include "tests/gradient_test.h"

namespace espalier::test {

inline std::vector<Tensor> moved(const std::vector<Tensor>& tensors, Device device) {
  std::vector<Tensor> there;
  for (const Tensor& x : tensors) there.push_back(x.defined() ? x.detach().to(device) : x);
  return there;
}

// Output and gradients of f on the first GPU, in the dtype of `inputs`, against the CPU's in f64.
// Either sums up to `length` terms, none larger than `magnitude` times the largest value of the
// result, in an order of its own, and rounds each a few times.
inline void check_device_agrees(const Function& f, const std::vector<Tensor>& inputs, double length,
                                double magnitude = 1) {
  if (cuda_device_count() == 0) return;
  for (DType dtype : {DType::f32, DType::f64}) {
    INFO("dtype: ", std::string(dtype_name(dtype)));
    std::vector<Tensor> exact, given;
    for (const Tensor& x : inputs) {
      const std::vector<double> values = x.to_vector();
      const std::vector<float> rounded(values.begin(), values.end());
      given.push_back(dtype == DType::f64 ? Tensor::of(values, x.shape())
                                          : Tensor::of(rounded, x.shape()));
      exact.push_back(Tensor::of(given.back().to_vector(), x.shape()));
    }
    const std::vector<Tensor> expected = output_and_gradients(f, exact);
    const std::vector<Tensor> results = output_and_gradients(f, moved(given, Device::cuda()));
    for (size_t i = 0; i < results.size(); ++i) {
      INFO("output 0, gradients from 1: ", i);
      CHECK(results[i].device() == Device::cuda());
      const std::vector<double> reference = expected[i].to_vector();
      double largest = 0;
      for (double value : reference) largest = std::max(largest, std::abs(value));
      const double eps = dtype == DType::f64 ? std::numeric_limits<double>::epsilon() : epsilon;
      check_close(results[i].to_vector(), reference,
                  [&](size_t) { return (length + 16) * eps * magnitude * largest; });
    }
  }
}

// f in whole numbers: on the first GPU it gives the values, and the type, that it gives on the CPU.
inline void check_device_gives_the_same(const Function& f, const std::vector<Tensor>& inputs) {
  if (cuda_device_count() == 0) return;
  const Tensor expected = f(inputs), found = f(moved(inputs, Device::cuda()));
  CHECK(found.device() == Device::cuda());
  CHECK(found.dtype() == expected.dtype());
  CHECK(found.shape() == expected.shape());
  CHECK(found.to_vector() == expected.to_vector());
}

}  // namespace espalier::test
