// Where a storage lives.
#pragma once

#include <string>

namespace espalier {

struct Device {
  enum class Kind { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  static Device cpu() noexcept { return {}; }
  static Device cuda(int index = 0) noexcept { return {Kind::cuda, index}; }
  bool on_gpu() const noexcept { return kind != Kind::cpu; }
  std::string str() const { return kind == Kind::cpu ? "cpu" : "cuda:" + std::to_string(index); }
  friend bool operator==(const Device&, const Device&) = default;
};

// What a device that is there calls itself: "cpu", "NVIDIA H200 (sm_90)", "emulated GPU".
std::string device_name(Device device);

// "cpu", "cuda" (the first GPU) or "cuda:1". A device error where this build or this machine has
// none of the name, an argument error for any other text.
Device device_from_name(const std::string& name);
// Throws that device error, which names what there is.
void check_device(Device device);
// The GPUs that tensors can lie on; 0 in a build without CUDA, and without a driver.
int cuda_device_count() noexcept;

}  // namespace espalier
