// libcublas and libcublasLt, opened while the program runs.
#pragma once

#include <memory>
#include <string>

#include "engine/cuda/cublas_abi.h"

namespace espalier::cuda {

class CublasLibrary {
 public:
  // From `folder`, or where the loader looks if that is empty: version 13 of both, or else 12. A
  // device error that tells what was looked for, and what to do, where either is not there or lacks
  // a function.
  explicit CublasLibrary(const std::string& folder);

  // A device error that begins with `doing` unless `status` is success.
  void check(const std::string& doing, cublas_abi::Status status) const;
  // "cuBLASLt 13.0.2".
  std::string version() const;

#define ESPALIER_DECLARE(name) cublas_abi::name* name = nullptr
  ESPALIER_CUBLAS_FUNCTIONS(ESPALIER_DECLARE)
  ESPALIER_CUBLAS_LT_FUNCTIONS(ESPALIER_DECLARE)
#undef ESPALIER_DECLARE

 private:
  struct Close {
    void operator()(void* library) const noexcept;
  };
  std::unique_ptr<void, Close> light_, full_;
};

// The one of this process, from the folder that ESPALIER_CUBLAS names or where the loader looks;
// opened by the first call that can. An emulated GPU has none but that folder's: NVIDIA's own would
// look for its memory on a real one.
const CublasLibrary& cublas_library();

}  // namespace espalier::cuda
