// libcublasLt.so.13 of an emulated GPU.
#include "tests/cublas_standin.h"

namespace espalier::cublas_abi {

struct LtHandleTag {};
struct DescTag {
  ComputeType sums;
  DataType scale;
  Operation left = as_is, right = as_is;
};
struct LayoutTag {
  DataType type;
  uint64_t rows, columns;
  int64_t ld;
};
struct PreferenceTag {
  uint64_t workspace = 0;
};

}  // namespace espalier::cublas_abi

using namespace espalier::cublas_standin;

namespace {

template <class T>
abi::Status release(T* object) {
  delete object;
  return abi::success;
}

// IMMA takes what the documentation of cublasLtMatmul() says of regular orders.
bool suits_whole_numbers(abi::Desc desc, abi::Layout A, abi::Layout B, abi::Layout C) {
  bool suits = desc->left == abi::transposed && desc->right == abi::as_is;
  for (const int64_t size :
       {A->ld, B->ld, C->ld, static_cast<int64_t>(C->rows), static_cast<int64_t>(A->rows)})
    suits = suits && size % 4 == 0;
  return suits;
}

abi::Status suitable(abi::Desc desc, abi::Layout A, abi::Layout B, abi::Layout C) {
  const bool whole = desc->sums == abi::sums_s32;
  const bool half = A->type == abi::bf16 || A->type == abi::f16;
  const bool types = A->type == B->type && (whole ? A->type == abi::s8 : half) &&
                     C->type == (whole ? abi::s32 : abi::f32) && desc->scale == C->type;
  return types && (!whole || suits_whole_numbers(desc, A, B, C)) ? abi::success
                                                                 : abi::not_supported;
}

constexpr uint64_t own_algorithm = 0xe5;

}  // namespace

extern "C" {

Record* cublas_standin_record() {
  static Record record;
  return &record;
}

size_t cublasLtGetVersion() { return 130000; }

abi::Status cublasLtCreate(abi::LtHandle* handle) {
  *handle = new abi::LtHandleTag;
  return abi::success;
}
abi::Status cublasLtDestroy(abi::LtHandle handle) { return release(handle); }

abi::Status cublasLtMatmulDescCreate(abi::Desc* desc, abi::ComputeType sums, abi::DataType scale) {
  *desc = new abi::DescTag{sums, scale};
  return abi::success;
}
abi::Status cublasLtMatmulDescDestroy(abi::Desc desc) { return release(desc); }

abi::Status cublasLtMatmulDescSetAttribute(abi::Desc desc, abi::DescAttribute attribute,
                                           const void* value, size_t bytes) {
  if (bytes != sizeof(int32_t)) return abi::invalid_value;
  const auto operation = static_cast<abi::Operation>(*static_cast<const int32_t*>(value));
  (attribute == abi::operation_of_left ? desc->left : desc->right) = operation;
  return abi::success;
}

abi::Status cublasLtMatrixLayoutCreate(abi::Layout* layout, abi::DataType type, uint64_t rows,
                                       uint64_t columns, int64_t ld) {
  *layout = new abi::LayoutTag{type, rows, columns, ld};
  return abi::success;
}
abi::Status cublasLtMatrixLayoutDestroy(abi::Layout layout) { return release(layout); }

abi::Status cublasLtMatmulPreferenceCreate(abi::Preference* preference) {
  *preference = new abi::PreferenceTag;
  return abi::success;
}
abi::Status cublasLtMatmulPreferenceDestroy(abi::Preference preference) {
  return release(preference);
}
abi::Status cublasLtMatmulPreferenceSetAttribute(abi::Preference preference,
                                                 abi::PreferenceAttribute, const void* value,
                                                 size_t bytes) {
  if (bytes != sizeof(uint64_t)) return abi::invalid_value;
  preference->workspace = *static_cast<const uint64_t*>(value);
  return abi::success;
}

abi::Status cublasLtMatmulAlgoGetHeuristic(abi::LtHandle, abi::Desc desc, abi::Layout A,
                                           abi::Layout B, abi::Layout C, abi::Layout,
                                           abi::Preference preference, int, abi::LtFound* found,
                                           int* count) {
  *count = 0;
  if (const abi::Status status = suitable(desc, A, B, C); status != abi::success) return status;
  *found = {{{own_algorithm}}, preference->workspace, abi::success, 1, {}};
  *count = 1;
  return abi::success;
}

abi::Status cublasLtMatmul(abi::LtHandle, abi::Desc desc, const void* alpha, const void* A,
                           abi::Layout a, const void* B, abi::Layout b, const void* beta,
                           const void*, abi::Layout, void* D, abi::Layout d,
                           const abi::LtAlgorithm* algorithm, void* workspace, size_t,
                           abi::NativeStream stream) {
  if (!algorithm || algorithm->data[0] != own_algorithm || !workspace) return abi::invalid_value;
  if (const abi::Status status = suitable(desc, a, b, d); status != abi::success) return status;
  const auto extent = [](uint64_t size) { return static_cast<int64_t>(size); };
  return multiply(stream,
                  {extent(d->rows),
                   extent(d->columns),
                   extent(desc->left ? a->rows : a->columns),
                   1,
                   value_at(alpha, desc->scale, 0),
                   value_at(beta, desc->scale, 0),
                   {A, a->type, desc->left, a->ld, 0},
                   {B, b->type, desc->right, b->ld, 0},
                   {D, d->type, abi::as_is, d->ld, 0}},
                  *cublas_standin_record());
}

}  // extern "C"

#define ESPALIER_CHECK_CALL(name) static_assert(std::is_same_v<decltype(::name), abi::name>)
ESPALIER_CUBLAS_LT_FUNCTIONS(ESPALIER_CHECK_CALL)
