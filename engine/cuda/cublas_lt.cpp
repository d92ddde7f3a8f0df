#include "engine/cuda/cublas_lt.h"

#include <string>

#include "engine/cuda/cublas_session.h"
#include "engine/cuda/runtime.h"
#include "engine/error.h"

namespace espalier::cuda {
namespace {

namespace abi = cublas_abi;

std::string described(DType type, const CublasLtShape& s) {
  return std::string(dtype_name(type)) + " [" + std::to_string(s.M) + ", " + std::to_string(s.K) +
         "] by [" + std::to_string(s.N) + ", " + std::to_string(s.K) + "] transposed";
}

abi::DataType element_of(DType type, const CublasLtShape& s) {
  if (type == DType::bf16) return abi::bf16;
  if (type == DType::f16) return abi::f16;
  if (type != DType::s8)
    argument_error("cublas_lt", "type", dtype_name(type), "bf16, f16 or s8", "");
  for (const int64_t size : {s.N, s.K, s.a_row_stride, s.b_row_stride, s.c_row_stride})
    if (size % 4 != 0)
      argument_error("cublas_lt", "product",
                     described(type, s) + " with rows " + std::to_string(s.a_row_stride) + ", " +
                         std::to_string(s.b_row_stride) + " and " + std::to_string(s.c_row_stride) +
                         " apart",
                     "N, K and steps that are multiples of 4", "fill rows up with zeros");
  return abi::s8;
}

// What a create function makes and a destroy function takes.
template <class T>
class Owned {
 public:
  explicit Owned(abi::Status (*destroy)(T)) : destroy_(destroy) {}
  ~Owned() {
    if (value_) destroy_(value_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T* slot() { return &value_; }
  operator T() const { return value_; }

 private:
  abi::Status (*destroy_)(T);
  T value_ = nullptr;
};

}  // namespace

// Column-major as BLAS is, this is C^T = B A^T: the rows of our B are the columns of its left
// operand, which it transposes.
struct CublasLtProduct::Parts {
  CublasSession& session;
  const CublasLibrary& library;
  std::string doing;
  bool whole;  // numbers
  Owned<abi::Desc> desc;
  Owned<abi::Layout> a, b, c;
  abi::LtAlgorithm algorithm{};

  Parts(Device device, DType type, const CublasLtShape& s)
      : session(cublas_session(device)),
        library(session.library),
        doing("product of " + described(type, s)),
        whole(type == DType::s8),
        desc(library.cublasLtMatmulDescDestroy),
        a(library.cublasLtMatrixLayoutDestroy),
        b(library.cublasLtMatrixLayoutDestroy),
        c(library.cublasLtMatrixLayoutDestroy) {
    const abi::DataType element = element_of(type, s), sum = whole ? abi::s32 : abi::f32;
    check(
        library.cublasLtMatmulDescCreate(desc.slot(), whole ? abi::sums_s32 : abi::sums_f32, sum));
    const int32_t transposed = abi::transposed;
    check(library.cublasLtMatmulDescSetAttribute(desc, abi::operation_of_left, &transposed,
                                                 sizeof transposed));
    const auto extent = [](int64_t size) { return static_cast<uint64_t>(size); };
    const auto layout = [&](Owned<abi::Layout>& to, abi::DataType of, int64_t rows, int64_t columns,
                            int64_t ld) {
      check(library.cublasLtMatrixLayoutCreate(to.slot(), of, extent(rows), extent(columns), ld));
    };
    layout(b, element, s.K, s.N, s.b_row_stride);
    layout(a, element, s.K, s.M, s.a_row_stride);
    layout(c, sum, s.N, s.M, s.c_row_stride);
    choose();
  }

  void check(abi::Status status) const { library.check(doing, status); }

  void choose() {
    Owned<abi::Preference> preference(library.cublasLtMatmulPreferenceDestroy);
    check(library.cublasLtMatmulPreferenceCreate(preference.slot()));
    const uint64_t most = CublasSession::workspace_bytes;
    check(library.cublasLtMatmulPreferenceSetAttribute(preference, abi::most_workspace, &most,
                                                       sizeof most));
    abi::LtFound found{};
    int count = 0;
    check(library.cublasLtMatmulAlgoGetHeuristic(session.light, desc, b, a, c, c, preference, 1,
                                                 &found, &count));
    check(count > 0 ? found.status : abi::not_supported);
    algorithm = found.algorithm;
  }

  template <class Scale>
  void run(const void* A, const void* B, void* C) {
    const std::lock_guard lock(session.mutex);
    use_device(session.device.index);
    const Scale one = 1, zero = 0;
    check(library.cublasLtMatmul(session.light, desc, &one, B, b, A, a, &zero, C, c, C, c,
                                 &algorithm, session.workspace, CublasSession::workspace_bytes,
                                 session.stream));
  }
};

CublasLtProduct::CublasLtProduct(Device device, DType type, const CublasLtShape& shape)
    : parts_(std::make_unique<Parts>(device, type, shape)) {}
CublasLtProduct::~CublasLtProduct() = default;

void CublasLtProduct::run(const void* A, const void* B, void* C) {
  if (parts_->whole)
    parts_->run<int32_t>(A, B, C);
  else
    parts_->run<float>(A, B, C);
}

}  // namespace espalier::cuda
