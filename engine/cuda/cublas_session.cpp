#include "engine/cuda/cublas_session.h"

#include <map>
#include <memory>

#include "engine/cuda/runtime.h"
#include "engine/error.h"

namespace espalier::cuda {
namespace {

std::byte* workspace_on(Device device) {
  std::byte* memory = take_memory(device.index, CublasSession::workspace_bytes);
  if (!memory)
    throw Error(ErrorKind::device, "cuBLAS: " + device.str() + " has no room for a workspace of " +
                                       std::to_string(CublasSession::workspace_bytes) +
                                       " bytes; use a smaller batch or --gemm own");
  return memory;
}

}  // namespace

CublasSession::CublasSession(Device on)
    : library(cublas_library()),
      device(on),
      stream(static_cast<cublas_abi::NativeStream>(stream_of(on.index))),
      workspace(workspace_on(on)) {
  try {
    const std::string doing = "cuBLAS on " + device.str();
    use_device(device.index);
    library.check(doing, library.cublasCreate_v2(&handle));
    library.check(doing, library.cublasSetStream_v2(handle, stream));
    // After the stream, which brings a workspace of its own.
    library.check(doing, library.cublasSetWorkspace_v2(handle, workspace, workspace_bytes));
    library.check(doing, library.cublasLtCreate(&light));
  } catch (...) {
    close();
    throw;
  }
}

CublasSession::~CublasSession() { close(); }

void CublasSession::close() noexcept {
  if (light) library.cublasLtDestroy(light);
  if (handle) library.cublasDestroy_v2(handle);
  give_memory(device.index, workspace);
}

CublasSession& cublas_session(Device device) {
  check_device(device);
  static std::mutex mutex;
  // Never destroyed: when a program ends, the driver may be gone before it.
  static auto& sessions = *new std::map<int, std::unique_ptr<CublasSession>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<CublasSession>& session = sessions[device.index];
  if (!session) session = std::make_unique<CublasSession>(device);
  return *session;
}

}  // namespace espalier::cuda
