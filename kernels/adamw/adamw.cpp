#include "kernels/adamw/adamw.h"

#include <cmath>

namespace espalier {
namespace {

template <class T>
void adamw_scalar(const AdamWStep<T>& step, const T* gradient, T* parameter, T* first_moment,
                  T* second_moment, T* average, int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    const T g = step.gradient_scale * gradient[i];
    T& p = parameter[i];
    T& m = first_moment[i];
    T& v = second_moment[i];
    m += step.beta1_complement * (g - m);
    v = step.beta2 * v + step.beta2_complement * g * g;
    p = step.decay * p -
        step.step_size * (m / (std::sqrt(v) * step.inverse_root_bias2 + step.epsilon));
    if (average) average[i] += step.average_weight * (p - average[i]);
  }
}

}  // namespace

template <>
std::span<const KernelRow<AdamWUpdate<float>>> adamw_kernels() noexcept {
  static constexpr KernelRow<AdamWUpdate<float>> rows[] = {
      ESPALIER_ISA_ROWS(adamw){Isa::scalar, adamw_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<AdamWUpdate<double>>> adamw_kernels() noexcept {
  static constexpr KernelRow<AdamWUpdate<double>> rows[] = {{Isa::scalar, adamw_scalar<double>}};
  return rows;
}

}  // namespace espalier
