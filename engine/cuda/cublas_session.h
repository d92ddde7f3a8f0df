// cuBLAS on one GPU: its handles, in the engine's stream.
#pragma once

#include <mutex>

#include "engine/cuda/cublas_library.h"
#include "engine/device.h"

namespace espalier::cuda {

struct CublasSession {
  // cuBLAS asks for 32 MiB on sm_90 and for 4 before.
  static constexpr size_t workspace_bytes = size_t{32} << 20;

  const CublasLibrary& library;
  Device device;
  cublas_abi::NativeStream stream;
  std::byte* workspace;
  cublas_abi::Handle handle = nullptr;
  cublas_abi::LtHandle light = nullptr;
  std::mutex mutex{};  // whoever calls holds it

  explicit CublasSession(Device device);
  ~CublasSession();
  CublasSession(const CublasSession&) = delete;
  CublasSession& operator=(const CublasSession&) = delete;

 private:
  void close() noexcept;
};

// The one of `device`, made by the first call that can. A device error where that is none, or where
// cuBLAS cannot be opened or cannot use it.
CublasSession& cublas_session(Device device);

}  // namespace espalier::cuda
