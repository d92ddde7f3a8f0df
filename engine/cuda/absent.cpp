// What stands for GPUs in a build without CUDA: nothing can lie there.
#include <cstring>

#include "engine/cuda/cublas.h"
#include "engine/cuda/runtime.h"
#include "engine/device_memory.h"
#include "engine/launch_graph.h"
#include "engine/staging.h"
#include "engine/storage.h"

namespace espalier {
namespace cuda {

int device_count() noexcept { return 0; }
std::string device_name(int index) { return Device::cuda(index).str(); }
Stream stream_of(int index) {
  check_device(Device::cuda(index));  // throws: there is none
  return nullptr;
}

}  // namespace cuda

std::shared_ptr<Storage> Storage::allocate_on_gpu(size_t, Device device) {
  check_device(device);  // throws
  return nullptr;
}
void Storage::free_on_gpu(std::byte*, size_t, Device) noexcept {}
void release_cached_gpu_memory() noexcept {}

void move_bytes(Device, std::byte* to, Device, const std::byte* from, size_t bytes) {
  std::memmove(to, from, bytes);
}
void set_zero(Device, std::byte* at, size_t bytes) { std::memset(at, 0, bytes); }
void synchronize(Device) {}
void check_launches(const char*) {}
bool gpu_reads_host_memory() noexcept { return false; }

LaunchGraph::LaunchGraph(Device device, FunctionRef<void()>) : device_(device) {
  check_device(Device::cuda(device.index));  // throws
}
LaunchGraph::~LaunchGraph() = default;
void LaunchGraph::launch(const char*) const {}
int64_t LaunchGraph::memory() const noexcept { return 0; }
bool records_launches() noexcept { return false; }

Tensor staging_tensor(const Shape& shape, DType dtype, Device) {
  return Tensor::empty(shape, dtype, Device::cpu());
}
Tensor sent_to(Device device, const Tensor& staged) { return staged.to(device); }
void send(const Tensor& staged, const Tensor& there) { there.copy_(staged); }

void set_gpu_gemm(GpuGemm which, Device device) {
  if (which == GpuGemm::cublas) check_device(device);
}
GpuGemm gpu_gemm() noexcept { return GpuGemm::own; }

}  // namespace espalier
