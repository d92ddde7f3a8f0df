#include "engine/cuda/runtime.h"

#include <cuda_runtime_api.h>

#include <mutex>
#include <vector>

#include "engine/error.h"

namespace espalier::cuda {
namespace {

[[noreturn]] void device_error(const std::string& doing, cudaError_t error) {
  throw Error(ErrorKind::device,
              doing + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

void check(const char* doing, cudaError_t error) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // what was told is not told again
  device_error(doing, error);
}

// cudaMalloc is no part of a stream, but CUDA refuses it to a thread that records unless that says
// that it knows what it does.
class RelaxedRecording {
 public:
  RelaxedRecording() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~RelaxedRecording() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  RelaxedRecording(const RelaxedRecording&) = delete;
  RelaxedRecording& operator=(const RelaxedRecording&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

cudaStream_t native(int index) { return static_cast<cudaStream_t>(stream_of(index)); }

}  // namespace

int device_count() noexcept {
  static const int count = [] {
    int found = 0;
    const bool works = cudaGetDeviceCount(&found) == cudaSuccess;
    cudaGetLastError();
    return works ? found : 0;
  }();
  return count;
}

bool is_emulated() noexcept { return false; }
void use_device(int index) { check("choosing a GPU", cudaSetDevice(index)); }

std::string device_name(int index) {
  cudaDeviceProp properties;
  check("reading a GPU's properties", cudaGetDeviceProperties(&properties, index));
  return std::string(properties.name) + " (sm_" + std::to_string(properties.major) +
         std::to_string(properties.minor) + ")";
}

bool reads_host_memory() noexcept {
  int value = 0;
  return device_count() > 0 &&
         cudaDeviceGetAttribute(&value, cudaDevAttrPageableMemoryAccess, 0) == cudaSuccess && value;
}

std::byte* take_memory(int index, size_t bytes) {
  use_device(index);
  const RelaxedRecording relaxed;
  void* block = nullptr;
  const cudaError_t error = cudaMalloc(&block, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check("taking memory of a GPU", error);
  return static_cast<std::byte*>(block);
}

void use_memory(int, const std::byte*, size_t) noexcept {}

void give_memory(int index, std::byte* block) noexcept {
  cudaSetDevice(index);
  cudaFree(block);
}

std::byte* take_host_memory(int index, size_t bytes) {
  use_device(index);
  void* block = nullptr;
  const cudaError_t error = cudaHostAlloc(&block, bytes, cudaHostAllocPortable);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check("taking page-locked memory", error);
  return static_cast<std::byte*>(block);
}

void give_host_memory(std::byte* block) noexcept { cudaFreeHost(block); }

MemoryLeft memory_left(int index) {
  use_device(index);
  MemoryLeft left{};
  check("asking for a GPU's free memory", cudaMemGetInfo(&left.free, &left.total));
  return left;
}

void copy(int index, std::byte* to, const std::byte* from, size_t bytes, CopyKind kind) {
  if (bytes == 0) return;
  use_device(index);
  const cudaMemcpyKind direction = kind == CopyKind::to_device ? cudaMemcpyHostToDevice
                                   : kind == CopyKind::to_host ? cudaMemcpyDeviceToHost
                                                               : cudaMemcpyDeviceToDevice;
  check("copying", cudaMemcpyAsync(to, from, bytes, direction, native(index)));
  if (kind != CopyKind::on_device) check("copying", cudaStreamSynchronize(native(index)));
}

void set_bytes(int index, std::byte* at, unsigned char value, size_t bytes) {
  if (bytes == 0) return;
  use_device(index);
  check("setting memory", cudaMemsetAsync(at, value, bytes, native(index)));
}

void synchronize(int index) {
  use_device(index);
  check("waiting for a GPU", cudaStreamSynchronize(native(index)));
}

void start_copy(int index, std::byte* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  use_device(index);
  check("copying", cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, native(index)));
}

Event record_event(int index) {
  use_device(index);
  cudaEvent_t event = nullptr;
  check("making an event", cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  check("recording an event", cudaEventRecord(event, native(index)));
  return event;
}

bool has_passed(Event event) {
  const cudaError_t error = cudaEventQuery(static_cast<cudaEvent_t>(event));
  if (error == cudaErrorNotReady) return false;
  check("asking for an event", error);
  return true;
}

void free_event(Event event) noexcept { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }

void begin_recording(int index) {
  use_device(index);
  check("recording", cudaStreamBeginCapture(native(index), cudaStreamCaptureModeThreadLocal));
}

Recording end_recording(int index) {
  use_device(index);
  cudaGraph_t graph = nullptr;
  check("recording", cudaStreamEndCapture(native(index), &graph));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check("making a graph of what was recorded", error);
  return executable;
}

void drop_recording(int index) noexcept {
  cudaGraph_t graph = nullptr;
  if (cudaSetDevice(index) == cudaSuccess) cudaStreamEndCapture(native(index), &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();  // whoever drops it has an error to tell
}

void replay(int index, Recording recording) {
  use_device(index);
  check("launching a graph",
        cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), native(index)));
}

void free_recording(int index, Recording recording) noexcept {
  cudaSetDevice(index);
  cudaStreamSynchronize(native(index));
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording));
}

Stream stream_of(int index) {
  static std::mutex mutex;
  static std::vector<cudaStream_t> streams;
  const std::lock_guard lock(mutex);
  const auto at = static_cast<size_t>(index);
  if (streams.size() <= at) streams.resize(at + 1);
  if (!streams[at]) {
    use_device(index);
    check("making a stream", cudaStreamCreateWithFlags(&streams[at], cudaStreamNonBlocking));
  }
  return streams[at];
}

void check_launches(const char* op) {
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) device_error(op, error);
}

}  // namespace espalier::cuda
