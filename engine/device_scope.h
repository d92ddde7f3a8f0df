// Where the calling thread's kernels run and its new tensors lie.
#pragma once

#include "engine/profiler.h"
#include "engine/tensor.h"
#include "kernels/simt/stream.h"

namespace espalier {

// The device of the innermost DeviceScope of this thread; the CPU outside one.
Device current_device() noexcept;
// The operation that runs, for messages.
const char* current_operation() noexcept;

class DeviceScope {
 public:
  // `operation` is named in errors; null leaves the name as it is.
  explicit DeviceScope(Device device, const char* operation = nullptr);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  Device before_;
  cuda::Context context_before_;
  const char* operation_before_;
};
inline bool on_cuda() noexcept { return cuda::active(); }

// What every operation opens once its operands are checked: a profiler's scope under its name, on
// the device of `operand`.
class OpScope {
 public:
  OpScope(const char* op, const Tensor& operand) : profiled_(op), device_(operand.device(), op) {}

 private:
  profiler::Scope profiled_;
  DeviceScope device_;
};

}  // namespace espalier
