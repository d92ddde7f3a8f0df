// Resources (scripts/checks/cuda_resources):
//   update_kernel  24  0  256  1.00
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/sgd/sgd_scalar.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void update_kernel(const SgdStep<T>* step, const double* gradient_scale,
                              const T* gradient, T* parameter, T* velocity, T* average,
                              int64_t count) {
  const int64_t i = element_index();
  const double scale = *gradient_scale;
  if (i >= count || !is_step(scale)) return;
  sgd_scalar_update(*step, static_cast<T>(scale) * gradient[i], parameter[i],
                    velocity ? velocity + i : nullptr, average ? average + i : nullptr);
}

}  // namespace

void sgd(const SgdStep<float>* step, const double* gradient_scale, const float* gradient,
         float* parameter, float* velocity, float* average, int64_t count) noexcept {
  launch(update_kernel<float>, elements_grid(count), step, gradient_scale, gradient, parameter,
         velocity, average, count);
}
void sgd(const SgdStep<double>* step, const double* gradient_scale, const double* gradient,
         double* parameter, double* velocity, double* average, int64_t count) noexcept {
  launch(update_kernel<double>, elements_grid(count), step, gradient_scale, gradient, parameter,
         velocity, average, count);
}

}  // namespace espalier::cuda
