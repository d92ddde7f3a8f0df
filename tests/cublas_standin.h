// What stands for NVIDIA's libcublas and libcublasLt where GPUs are emulated: the functions that we
// call, by the reference, over the emulated GPU's memory. It refuses what the libraries refuse.
#pragma once

#include <utility>

#include "engine/cuda/cublas_abi.h"
#include "kernels/cast/cast.h"
#include "kernels/simt/emulator.h"

namespace espalier::cublas_standin {

namespace abi = cublas_abi;

// For tests: what was asked of the library that exports it.
struct Record {
  int products = 0;                  // that were computed
  abi::Status fails = abi::success;  // what the next one shall return instead, if it is no success
};
using RecordOf = Record*();

// A column-major matrix, and its twins `step` elements apart.
struct Matrix {
  const void* data;
  abi::DataType type;
  abi::Operation operation;
  int64_t ld, step;
};

inline int64_t size_of(abi::DataType type) {
  return type == abi::s8 ? 1 : type == abi::f16 || type == abi::bf16 ? 2 : 4;
}

inline double value_at(const void* data, abi::DataType type, int64_t i) {
  using namespace cast_detail;
  switch (type) {
    case abi::f32:
      return static_cast<double>(static_cast<const float*>(data)[i]);
    case abi::s32:
      return static_cast<const int32_t*>(data)[i];
    case abi::s8:
      return static_cast<const int8_t*>(data)[i];
    case abi::bf16:
      return static_cast<double>(to_float(static_cast<const BFloat16*>(data)[i]));
    case abi::f16:
      return static_cast<double>(to_float(static_cast<const Float16*>(data)[i]));
  }
  return 0;
}

struct Product {
  int64_t m, n, k, count;
  double alpha, beta;
  Matrix a, b, c;
};

// Whether all of it lies in one block of the GPU's memory; `rows` x `columns` as it is stored.
inline bool lies_on_gpu(const simt::DeviceMemoryDoors& gpu, const Matrix& x, int64_t rows,
                        int64_t columns, int64_t count) {
  const auto* first = static_cast<const unsigned char*>(x.data);
  const simt::MemoryExtent block = gpu.extent(first);
  const int64_t last = (count - 1) * x.step + (columns - 1) * x.ld + rows;
  return block.begin && first + last * size_of(x.type) <= block.end;
}

inline abi::Status refusal(const simt::DeviceMemoryDoors& gpu, const Product& p) {
  const auto rows = [](const Matrix& x, int64_t r, int64_t c) { return x.operation ? c : r; };
  const int64_t a_rows = rows(p.a, p.m, p.k), b_rows = rows(p.b, p.k, p.n);
  const bool sound = p.m > 0 && p.n > 0 && p.k > 0 && p.count > 0 && p.a.ld >= a_rows &&
                     p.b.ld >= b_rows && p.c.ld >= p.m && (p.count == 1 || p.c.step != 0) &&
                     lies_on_gpu(gpu, p.a, a_rows, p.m * p.k / a_rows, p.count) &&
                     lies_on_gpu(gpu, p.b, b_rows, p.k * p.n / b_rows, p.count) &&
                     lies_on_gpu(gpu, p.c, p.m, p.n, p.count);
  return sound ? abi::success : abi::invalid_value;
}

inline double sum_of(const Product& p, int64_t batch, int64_t row, int64_t column) {
  const auto at = [batch](const Matrix& x, int64_t r, int64_t c) {
    return value_at(x.data, x.type, batch * x.step + (x.operation ? r * x.ld + c : c * x.ld + r));
  };
  double sum = 0;
  for (int64_t k = 0; k < p.k; ++k) sum += at(p.a, row, k) * at(p.b, k, column);
  return sum;
}

inline abi::Status multiply(abi::NativeStream stream, const Product& p, Record& record) {
  if (record.fails != abi::success) return std::exchange(record.fails, abi::success);
  const auto& gpu = *reinterpret_cast<const simt::DeviceMemoryDoors*>(stream);
  if (const abi::Status status = refusal(gpu, p); status != abi::success) return status;
  gpu.open();
  for (int64_t i = 0; i < p.count; ++i)
    for (int64_t n = 0; n < p.n; ++n)
      for (int64_t m = 0; m < p.m; ++m) {
        const int64_t to = i * p.c.step + n * p.c.ld + m;
        // As BLAS, it does not read what is not kept.
        const double kept = p.beta == 0 ? 0 : p.beta * value_at(p.c.data, p.c.type, to);
        const double sum = p.alpha * sum_of(p, i, m, n) + kept;
        void* const c = const_cast<void*>(p.c.data);
        if (p.c.type == abi::s32)
          static_cast<int32_t*>(c)[to] = static_cast<int32_t>(sum);
        else
          static_cast<float*>(c)[to] = static_cast<float>(sum);
      }
  gpu.close();
  ++record.products;
  return abi::success;
}

}  // namespace espalier::cublas_standin
