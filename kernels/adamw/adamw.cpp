#include "kernels/adamw/adamw_scalar.h"
#include "kernels/grad_norm/grad_norm.h"

namespace espalier {
namespace {

template <class T>
void adamw_scalar(const AdamWStep<T>* step, const double* gradient_scale, const T* gradient,
                  T* parameter, T* first_moment, T* second_moment, T* average,
                  int64_t count) noexcept {
  if (!is_step(*gradient_scale)) return;
  const T scale = static_cast<T>(*gradient_scale);
  for (int64_t i = 0; i < count; ++i)
    adamw_scalar_update(*step, scale * gradient[i], parameter[i], first_moment[i], second_moment[i],
                        average ? average + i : nullptr);
}

}  // namespace

template <>
std::span<const KernelRow<AdamWUpdate<float>>> adamw_kernels() noexcept {
  static constexpr KernelRow<AdamWUpdate<float>> rows[] = {
      ESPALIER_CUDA_ROW(adamw) ESPALIER_ISA_ROWS(adamw){Isa::scalar, adamw_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<AdamWUpdate<double>>> adamw_kernels() noexcept {
  static constexpr KernelRow<AdamWUpdate<double>> rows[] = {
      ESPALIER_CUDA_ROW(adamw){Isa::scalar, adamw_scalar<double>}};
  return rows;
}

}  // namespace espalier
