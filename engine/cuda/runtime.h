// The few calls of CUDA's runtime that the engine makes; over the emulator in builds with
// cuda=emulated. Each that fails throws a device error which names what was being done.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/simt/stream.h"

namespace espalier::cuda {

// GPUs that this process can use; 0 without a driver.
int device_count() noexcept;
// "NVIDIA H100 80GB HBM3 (sm_90)".
std::string device_name(int index);
// Whether GPUs are those of kernels/simt/emulator.h, which the host runs.
bool is_emulated() noexcept;
// Makes this GPU the one that calls of this thread to CUDA's libraries are for.
void use_device(int index);

// True where kernels of the first GPU may be given any pointer of this process.
bool reads_host_memory() noexcept;

// Memory of GPU `index`, aligned to 256 bytes; null where there is not enough.
std::byte* take_memory(int index, size_t bytes);
void give_memory(int index, std::byte* block) noexcept;
// Of a block that was taken, its first `bytes` alone are in use: an emulated GPU that is checked
// holds kernels to them.
void use_memory(int index, const std::byte* block, size_t bytes) noexcept;
// Page-locked memory of the processor, which GPU `index` and every other reads by itself; null
// where there is not enough.
std::byte* take_host_memory(int index, size_t bytes);
void give_host_memory(std::byte* block) noexcept;
// Free and total bytes of GPU `index`.
struct MemoryLeft {
  size_t free, total;
};
MemoryLeft memory_left(int index);

// In the order of the stream; a copy to or from the processor's memory has ended on return.
enum class CopyKind { to_device, to_host, on_device };
void copy(int index, std::byte* to, const std::byte* from, size_t bytes, CopyKind kind);
void set_bytes(int index, std::byte* at, unsigned char value, size_t bytes);
void synchronize(int index);
// A copy from page-locked memory to GPU `index`, in the order of the stream. It goes on after the
// return, for as long as an event behind it has not passed.
void start_copy(int index, std::byte* to, const std::byte* from, size_t bytes);

// A point in a stream, behind all that GPU `index` has been given so far. Whoever records it frees
// it.
using Event = void*;
Event record_event(int index);
bool has_passed(Event event);
void free_event(Event event) noexcept;

// From here on, what this thread gives GPU `index` is recorded in place of being done: launches,
// copies on the GPU, bytes that are set.
void begin_recording(int index);
// What was recorded, which free_recording() frees.
using Recording = void*;
Recording end_recording(int index);
void drop_recording(int index) noexcept;  // in place of its end
// All of it once more, in the order of the stream.
void replay(int index, Recording recording);
// Waits for the GPU.
void free_recording(int index, Recording recording) noexcept;

// What kernels of GPU `index` run in. Of an emulated one it points to the simt::DeviceMemoryDoors
// through which a library gets at its memory.
Stream stream_of(int index);
// Throws if a kernel that `op` launched since the last check could not run, or broke off.
void check_launches(const char* op);

}  // namespace espalier::cuda
