// What a GPU is given, recorded once and given again as a whole: a CUDA Graph. A step that launches
// a thousand small kernels then costs the processor one call.
#pragma once

#include <cstdint>

#include "engine/device.h"
#include "kernels/function_ref.h"

namespace espalier {

// Nothing runs while it is recorded, so there are no values to read. The same kernels then run on
// the same memory each time: what changes from one time to the next has to be written there before,
// and whatever the processor decided or drew at random stays as it was. Tensors that were made
// within keep their memory to the graph for as long as it lives, also when they are gone; others
// have to outlive it.
class LaunchGraph {
 public:
  // Records what this thread gives the GPU in `work`. Do the same by itself once before: kernels
  // are loaded then. Device errors, with nothing left of the recording: no GPU, a recording inside
  // a recording, and within one a copy from or to the processor or a wait for the GPU.
  LaunchGraph(Device device, FunctionRef<void()> work);
  ~LaunchGraph();
  LaunchGraph(const LaunchGraph&) = delete;
  LaunchGraph& operator=(const LaunchGraph&) = delete;

  // Behind all that the GPU has been given so far. `op` is named in errors.
  void launch(const char* op) const;

  // Bytes of the GPU's memory that are its own.
  int64_t memory() const noexcept;

 private:
  Device device_;
  [[maybe_unused]] void* recording_ = nullptr;  // a build without CUDA records nothing
  [[maybe_unused]] void* memory_ = nullptr;
};

// True on a thread that records.
bool records_launches() noexcept;

}  // namespace espalier
