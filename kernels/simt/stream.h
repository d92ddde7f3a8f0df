// Where this thread's kernels run: on the processor, or in a stream of a GPU.
#pragma once

namespace espalier::cuda {

using Stream = void*;  // a cudaStream_t; null for the default one

struct Context {
  bool active = false;  // kernels run on the GPU, and their operands lie in its memory
  Stream stream = nullptr;
  bool waits = false;  // a launch returns when its kernel has ended: for tests
};

inline constinit thread_local Context context;

inline bool active() noexcept { return context.active; }

}  // namespace espalier::cuda
