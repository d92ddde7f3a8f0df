// Holds cublas_abi.h against the toolkit's headers; there is nothing here to run.
#include "engine/cuda/cublas_abi.h"

#include <cublas_api.h>
#include <cublasLt.h>

#include <type_traits>

namespace espalier::cublas_abi {
namespace {

// What one register or stack slot passes alike: pointers, and whole numbers of one size.
template <class Ours, class Theirs>
constexpr bool same_value =
    sizeof(Ours) == sizeof(Theirs) &&
    std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>&& std::is_floating_point_v<Ours> ==
        std::is_floating_point_v<Theirs>;

template <class Ours, class Theirs>
struct SameCall : std::false_type {};
template <class R, class... A, class S, class... B>
requires(sizeof...(A) == sizeof...(B)) struct SameCall<R(A...), S(B...)>
    : std::bool_constant<same_value<R, S> && (same_value<A, B> && ...)> {
};

#define ESPALIER_CHECK_CALL(name) \
  static_assert(SameCall<cublas_abi::name, decltype(::name)>::value, #name)
ESPALIER_CUBLAS_FUNCTIONS(ESPALIER_CHECK_CALL)
ESPALIER_CUBLAS_LT_FUNCTIONS(ESPALIER_CHECK_CALL)
#undef ESPALIER_CHECK_CALL

constexpr bool alike(int ours, int theirs) { return ours == theirs; }
static_assert(alike(success, CUBLAS_STATUS_SUCCESS));
static_assert(alike(not_initialized, CUBLAS_STATUS_NOT_INITIALIZED));
static_assert(alike(invalid_value, CUBLAS_STATUS_INVALID_VALUE));
static_assert(alike(not_supported, CUBLAS_STATUS_NOT_SUPPORTED));
static_assert(alike(as_is, CUBLAS_OP_N) && alike(transposed, CUBLAS_OP_T));
static_assert(alike(f32, CUDA_R_32F) && alike(f16, CUDA_R_16F) && alike(bf16, CUDA_R_16BF));
static_assert(alike(s8, CUDA_R_8I) && alike(s32, CUDA_R_32I));
static_assert(alike(sums_f32, CUBLAS_COMPUTE_32F) && alike(sums_s32, CUBLAS_COMPUTE_32I));
static_assert(alike(default_algorithm, CUBLAS_GEMM_DEFAULT));
static_assert(alike(operation_of_left, CUBLASLT_MATMUL_DESC_TRANSA));
static_assert(alike(operation_of_right, CUBLASLT_MATMUL_DESC_TRANSB));
static_assert(alike(most_workspace, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES));
static_assert(sizeof(LtAlgorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(LtFound) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(LtFound, workspace_bytes) ==
              offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(LtFound, status) == offsetof(cublasLtMatmulHeuristicResult_t, state));

}  // namespace
}  // namespace espalier::cublas_abi
