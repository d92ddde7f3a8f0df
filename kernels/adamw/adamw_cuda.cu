// Resources (scripts/checks/cuda_resources):
//   update_kernel  33  0  256  0.75
#include "kernels/adamw/adamw_scalar.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/simt/simt.h"

namespace espalier::cuda {
namespace {

using namespace simt;

template <class T>
__global__ void update_kernel(const AdamWStep<T>* step, const double* gradient_scale,
                              const T* gradient, T* parameter, T* first_moment, T* second_moment,
                              T* average, int64_t count) {
  const int64_t i = element_index();
  const double scale = *gradient_scale;
  if (i >= count || !is_step(scale)) return;
  adamw_scalar_update(*step, static_cast<T>(scale) * gradient[i], parameter[i], first_moment[i],
                      second_moment[i], average ? average + i : nullptr);
}

}  // namespace

void adamw(const AdamWStep<float>* step, const double* gradient_scale, const float* gradient,
           float* parameter, float* first_moment, float* second_moment, float* average,
           int64_t count) noexcept {
  launch(update_kernel<float>, elements_grid(count), step, gradient_scale, gradient, parameter,
         first_moment, second_moment, average, count);
}
void adamw(const AdamWStep<double>* step, const double* gradient_scale, const double* gradient,
           double* parameter, double* first_moment, double* second_moment, double* average,
           int64_t count) noexcept {
  launch(update_kernel<double>, elements_grid(count), step, gradient_scale, gradient, parameter,
         first_moment, second_moment, average, count);
}

}  // namespace espalier::cuda
