// In a build without CUDA no device is a GPU, so nothing comes here.
#include "app/bench_gpu.h"
#include "engine/device.h"

namespace espalier::app {

int bench_kernels_on_gpu(const std::string&, bool, Device device, bool) {
  check_device(device);
  return 0;
}
int bench_model_on_gpu(const LoadedModel&, const std::vector<std::string>&,
                       const std::vector<int64_t>&, Device device, bool, double, bool) {
  check_device(device);
  return 0;
}
int bench_step_on_gpu(const TrainConfig&, Device device, bool) {
  check_device(device);
  return 0;
}

}  // namespace espalier::app
