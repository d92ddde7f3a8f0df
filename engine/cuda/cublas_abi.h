// What we call of NVIDIA's libcublas and libcublasLt, versions 12 and 13, in types of our own: both
// are opened at run time, and a build needs no header of theirs. Where the CUDA toolkit is at hand
// cublas_abi.cpp holds all of this against its headers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace espalier::cublas_abi {

enum Status : int { success = 0, not_initialized = 1, invalid_value = 7, not_supported = 15 };
enum Operation : int { as_is = 0, transposed = 1 };
enum DataType : int { f32 = 0, f16 = 2, s8 = 3, s32 = 10, bf16 = 14 };
enum ComputeType : int { sums_f32 = 68, sums_s32 = 72 };  // f32: no rounding to TF32
enum Algorithm : int { default_algorithm = -1 };
enum DescAttribute : int { operation_of_left = 3, operation_of_right = 4 };
enum PreferenceAttribute : int { most_workspace = 1 };

struct HandleTag;
struct LtHandleTag;
struct DescTag;
struct LayoutTag;
struct PreferenceTag;
struct StreamTag;
using Handle = HandleTag*;
using LtHandle = LtHandleTag*;
using Desc = DescTag*;
using Layout = LayoutTag*;
using Preference = PreferenceTag*;
using NativeStream = StreamTag*;

struct LtAlgorithm {
  uint64_t data[8];
};
struct LtFound {
  LtAlgorithm algorithm;
  size_t workspace_bytes;
  Status status;
  float waves;
  int reserved[4];
};

// By the names that the libraries give them.
using cublasCreate_v2 = Status(Handle*);
using cublasDestroy_v2 = Status(Handle);
using cublasSetStream_v2 = Status(Handle, NativeStream);
using cublasSetWorkspace_v2 = Status(Handle, void* workspace, size_t bytes);
using cublasGetStatusString = const char*(Status);
// C[i] = alpha op(A[i]) op(B[i]) + beta C[i], column-major: m x k by k x n.
using cublasGemmStridedBatchedEx_64 = Status(Handle, Operation a, Operation b, int64_t m, int64_t n,
                                             int64_t k, const void* alpha, const void* A, DataType,
                                             int64_t lda, long long a_step, const void* B, DataType,
                                             int64_t ldb, long long b_step, const void* beta,
                                             void* C, DataType, int64_t ldc, long long c_step,
                                             int64_t count, ComputeType, Algorithm);

using cublasLtCreate = Status(LtHandle*);
using cublasLtDestroy = Status(LtHandle);
using cublasLtGetVersion = size_t();
using cublasLtMatmulDescCreate = Status(Desc*, ComputeType, DataType scale);
using cublasLtMatmulDescDestroy = Status(Desc);
using cublasLtMatmulDescSetAttribute = Status(Desc, DescAttribute, const void*, size_t);
using cublasLtMatrixLayoutCreate = Status(Layout*, DataType, uint64_t rows, uint64_t columns,
                                          int64_t ld);
using cublasLtMatrixLayoutDestroy = Status(Layout);
using cublasLtMatmulPreferenceCreate = Status(Preference*);
using cublasLtMatmulPreferenceDestroy = Status(Preference);
using cublasLtMatmulPreferenceSetAttribute = Status(Preference, PreferenceAttribute, const void*,
                                                    size_t);
using cublasLtMatmulAlgoGetHeuristic = Status(LtHandle, Desc, Layout A, Layout B, Layout C,
                                              Layout D, Preference, int wanted, LtFound*,
                                              int* found);
using cublasLtMatmul = Status(LtHandle, Desc, const void* alpha, const void* A, Layout,
                              const void* B, Layout, const void* beta, const void* C, Layout,
                              void* D, Layout, const LtAlgorithm*, void* workspace,
                              size_t workspace_bytes, NativeStream);

// X of each of them, as a statement or a declaration.
#define ESPALIER_CUBLAS_FUNCTIONS(X) \
  X(cublasCreate_v2);                \
  X(cublasDestroy_v2);               \
  X(cublasSetStream_v2);             \
  X(cublasSetWorkspace_v2);          \
  X(cublasGetStatusString);          \
  X(cublasGemmStridedBatchedEx_64);
#define ESPALIER_CUBLAS_LT_FUNCTIONS(X)    \
  X(cublasLtCreate);                       \
  X(cublasLtDestroy);                      \
  X(cublasLtGetVersion);                   \
  X(cublasLtMatmulDescCreate);             \
  X(cublasLtMatmulDescDestroy);            \
  X(cublasLtMatmulDescSetAttribute);       \
  X(cublasLtMatrixLayoutCreate);           \
  X(cublasLtMatrixLayoutDestroy);          \
  X(cublasLtMatmulPreferenceCreate);       \
  X(cublasLtMatmulPreferenceDestroy);      \
  X(cublasLtMatmulPreferenceSetAttribute); \
  X(cublasLtMatmulAlgoGetHeuristic);       \
  X(cublasLtMatmul);

}  // namespace espalier::cublas_abi
