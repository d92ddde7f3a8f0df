#include "engine/device.h"

#include <charconv>

#include "engine/cuda/build.h"
#include "engine/cuda/runtime.h"
#include "engine/device_scope.h"
#include "engine/error.h"

namespace espalier {
namespace {

thread_local Device current;
thread_local const char* operation = "this call";

cuda::Context context_of(Device device) {
  if (device.kind == Device::Kind::cpu) return {};
  return {true, cuda::stream_of(device.index)};
}

std::string what_there_is(int gpus) {
  if (!built_with_cuda) return "this build has no CUDA";
  if (gpus == 0) return "no GPU was found";
  return "GPUs here are cuda:0 to cuda:" + std::to_string(gpus - 1);
}

}  // namespace

int cuda_device_count() noexcept { return cuda::device_count(); }
std::string device_name(Device device) {
  return device.on_gpu() ? cuda::device_name(device.index) : device.str();
}

Device device_from_name(const std::string& name) {
  if (name == "cpu") return Device::cpu();
  Device device = Device::cuda();
  if (name != "cuda") {
    const char* end = name.data() + name.size();
    const bool numbered = name.rfind("cuda:", 0) == 0 && name.size() > 5;
    const auto [stopped, problem] =
        std::from_chars(numbered ? name.data() + 5 : end, end, device.index);
    if (!numbered || problem != std::errc() || stopped != end || device.index < 0)
      argument_error("device_from_name", "name", "'" + name + "'", "cpu, cuda or cuda:INDEX", "");
  }
  check_device(device);
  return device;
}

void check_device(Device device) {
  if (device.kind == Device::Kind::cpu) return;
  const int count = cuda_device_count();
  if (device.index >= 0 && device.index < count) return;
  throw Error(ErrorKind::device, "device '" + device.str() +
                                     "' is not available: " + what_there_is(count) + "; use cpu");
}

Device current_device() noexcept { return current; }

const char* current_operation() noexcept { return operation; }

DeviceScope::DeviceScope(Device device, const char* name)
    : before_(current), context_before_(cuda::context), operation_before_(operation) {
  if (name) operation = name;
  cuda::context = context_of(device);
  current = device;
}

DeviceScope::~DeviceScope() {
  current = before_;
  cuda::context = context_before_;
  operation = operation_before_;
}

}  // namespace espalier
