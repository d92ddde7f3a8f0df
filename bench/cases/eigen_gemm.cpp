// Compiled once an instruction set, into ESPALIER_ISA. Eigen's namespace is renamed with it, so
// that no template instantiated here is linked into code for another processor.
#include "bench/cases/eigen_gemm.h"

#define EIGEN_DONT_PARALLELIZE
#define ESPALIER_CONCAT_(a, b) a##b
#define ESPALIER_CONCAT(a, b) ESPALIER_CONCAT_(a, b)
#define Eigen ESPALIER_CONCAT(Eigen_, ESPALIER_ISA)
#include <Eigen/Core>

namespace espalier::ESPALIER_ISA {

void eigen_gemm(int64_t M, int64_t N, int64_t K, const float* A, const float* B, float* C) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Matrix> a(A, M, K), b(B, K, N);
  Eigen::Map<Matrix> c(C, M, N);
  c.noalias() = a * b;
}

}  // namespace espalier::ESPALIER_ISA
