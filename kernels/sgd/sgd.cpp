#include "kernels/sgd/sgd.h"

namespace espalier {
namespace {

template <class T>
void sgd_scalar(const SgdStep<T>& step, const T* gradient, T* parameter, T* velocity, T* average,
                int64_t count) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    T& p = parameter[i];
    const T g = step.gradient_scale * gradient[i] + step.l2 * p;
    T direction = g;
    if (velocity) {
      velocity[i] = step.momentum * velocity[i] + g;
      direction = step.nesterov ? g + step.momentum * velocity[i] : velocity[i];
    }
    p = step.decay * p - step.lr * direction;
    if (average) average[i] += step.average_weight * (p - average[i]);
  }
}

}  // namespace

template <>
std::span<const KernelRow<SgdUpdate<float>>> sgd_kernels() noexcept {
  static constexpr KernelRow<SgdUpdate<float>> rows[] = {
      ESPALIER_ISA_ROWS(sgd){Isa::scalar, sgd_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<SgdUpdate<double>>> sgd_kernels() noexcept {
  static constexpr KernelRow<SgdUpdate<double>> rows[] = {{Isa::scalar, sgd_scalar<double>}};
  return rows;
}

}  // namespace espalier
