#include "engine/launch_graph.h"

#include "engine/cuda/recorded_memory.h"
#include "engine/cuda/runtime.h"
#include "engine/error.h"

namespace espalier {
namespace {

thread_local bool recording = false;

struct RecordingScope {
  RecordingScope() { recording = true; }
  ~RecordingScope() {
    recording = false;
    cuda::stop_owning_blocks();
  }
};

void check_recordable(Device device) {
  if (!device.on_gpu())
    argument_error("LaunchGraph", "device", device.str(), "a GPU", "call the work itself there");
  check_device(device);
  if (recording)
    throw Error(ErrorKind::device,
                "LaunchGraph: a recording inside a recording; end the outer one first");
}

}  // namespace

LaunchGraph::LaunchGraph(Device device, FunctionRef<void()> work) : device_(device) {
  check_recordable(device);
  memory_ = cuda::own_blocks();
  try {
    const RecordingScope scope;
    cuda::begin_recording(device.index);
    try {
      work();
    } catch (...) {
      cuda::drop_recording(device.index);
      throw;
    }
    recording_ = cuda::end_recording(device.index);
  } catch (...) {
    cuda::disown_blocks(memory_);
    throw;
  }
}

LaunchGraph::~LaunchGraph() {
  cuda::free_recording(device_.index, recording_);
  cuda::disown_blocks(memory_);
}

void LaunchGraph::launch(const char* op) const {
  cuda::replay(device_.index, recording_);
  cuda::check_launches(op);
}

int64_t LaunchGraph::memory() const noexcept {
  return static_cast<int64_t>(cuda::own_bytes(memory_));
}

bool records_launches() noexcept { return recording; }

}  // namespace espalier
