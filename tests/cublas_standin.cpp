// libcublas.so.13 of an emulated GPU.
#include "tests/cublas_standin.h"

namespace espalier::cublas_abi {

struct HandleTag {
  NativeStream stream = nullptr;
  bool has_workspace = false;
};

}  // namespace espalier::cublas_abi

using namespace espalier::cublas_standin;

extern "C" {

Record* cublas_standin_record() {
  static Record record;
  return &record;
}

const char* cublasGetStatusString(abi::Status status) {
  return status == abi::success           ? "success"
         : status == abi::invalid_value   ? "an unsupported value or parameter was passed"
         : status == abi::not_supported   ? "the functionality requested is not supported"
         : status == abi::not_initialized ? "the library was not initialized"
                                          : "an error";
}

abi::Status cublasCreate_v2(abi::Handle* handle) {
  *handle = new abi::HandleTag;
  return abi::success;
}

abi::Status cublasDestroy_v2(abi::Handle handle) {
  delete handle;
  return abi::success;
}

// As the library's own, it forgets the workspace.
abi::Status cublasSetStream_v2(abi::Handle handle, abi::NativeStream stream) {
  handle->stream = stream;
  handle->has_workspace = false;
  return abi::success;
}

abi::Status cublasSetWorkspace_v2(abi::Handle handle, void* workspace, size_t) {
  handle->has_workspace = reinterpret_cast<uintptr_t>(workspace) % 256 == 0;
  return handle->has_workspace ? abi::success : abi::invalid_value;
}

abi::Status cublasGemmStridedBatchedEx_64(abi::Handle handle, abi::Operation a_operation,
                                          abi::Operation b_operation, int64_t m, int64_t n,
                                          int64_t k, const void* alpha, const void* A,
                                          abi::DataType a_type, int64_t lda, long long a_step,
                                          const void* B, abi::DataType b_type, int64_t ldb,
                                          long long b_step, const void* beta, void* C,
                                          abi::DataType c_type, int64_t ldc, long long c_step,
                                          int64_t count, abi::ComputeType sums, abi::Algorithm) {
  if (!handle->stream || !handle->has_workspace) return abi::not_initialized;
  if (a_type != b_type || c_type != abi::f32 || sums != abi::sums_f32) return abi::not_supported;
  const auto number = [](const void* at) {
    return static_cast<double>(*static_cast<const float*>(at));
  };
  return multiply(handle->stream,
                  {m,
                   n,
                   k,
                   count,
                   number(alpha),
                   number(beta),
                   {A, a_type, a_operation, lda, a_step},
                   {B, b_type, b_operation, ldb, b_step},
                   {C, c_type, abi::as_is, ldc, c_step}},
                  *cublas_standin_record());
}

}  // extern "C"

#define ESPALIER_CHECK_CALL(name) static_assert(std::is_same_v<decltype(::name), abi::name>)
ESPALIER_CUBLAS_FUNCTIONS(ESPALIER_CHECK_CALL)
