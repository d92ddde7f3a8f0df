// Bytes on whatever device they lie.
#pragma once

#include <cstddef>

#include "engine/device.h"

namespace espalier {

// In the order of a GPU's stream; between devices the copy has ended on return. Overlap is fine on
// the CPU alone.
void move_bytes(Device to_device, std::byte* to, Device from_device, const std::byte* from,
                size_t bytes);
void set_zero(Device device, std::byte* at, size_t bytes);
// Waits until a GPU has done all that it was given; returns at once for the CPU.
void synchronize(Device device);
// Throws a device error that names `op` if a kernel that this thread launched could not run.
void check_launches(const char* op);
// True where kernels of the first GPU may be given pointers to the processor's memory.
bool gpu_reads_host_memory() noexcept;

}  // namespace espalier
