#include "kernels/grad_norm/grad_norm.h"
#include "kernels/sgd/sgd_scalar.h"

namespace espalier {
namespace {

template <class T>
void sgd_scalar(const SgdStep<T>* step, const double* gradient_scale, const T* gradient,
                T* parameter, T* velocity, T* average, int64_t count) noexcept {
  if (!is_step(*gradient_scale)) return;
  const T scale = static_cast<T>(*gradient_scale);
  for (int64_t i = 0; i < count; ++i)
    sgd_scalar_update(*step, scale * gradient[i], parameter[i], velocity ? velocity + i : nullptr,
                      average ? average + i : nullptr);
}

}  // namespace

template <>
std::span<const KernelRow<SgdUpdate<float>>> sgd_kernels() noexcept {
  static constexpr KernelRow<SgdUpdate<float>> rows[] = {
      ESPALIER_CUDA_ROW(sgd) ESPALIER_ISA_ROWS(sgd){Isa::scalar, sgd_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<SgdUpdate<double>>> sgd_kernels() noexcept {
  static constexpr KernelRow<SgdUpdate<double>> rows[] = {
      ESPALIER_CUDA_ROW(sgd){Isa::scalar, sgd_scalar<double>}};
  return rows;
}

}  // namespace espalier
