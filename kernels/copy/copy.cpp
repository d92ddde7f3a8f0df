#include "kernels/copy/copy.h"

#include <cstring>

namespace espalier {
namespace {

constexpr int64_t tile = 16;

template <size_t size>
void copy_elements(const char* x, MatrixStrides x_strides, char* y, MatrixStrides y_strides,
                   int64_t rows, int64_t columns) noexcept {
  constexpr int64_t bytes = size;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      std::memcpy(y + (r * y_strides.row + c * y_strides.column) * bytes,
                  x + (r * x_strides.row + c * x_strides.column) * bytes, size);
}

// Tiles keep the cache lines of both sides at hand where the strides cross.
template <size_t size>
void copy_scalar(const void* x, MatrixStrides x_strides, void* y, MatrixStrides y_strides,
                 int64_t rows, int64_t columns) noexcept {
  constexpr int64_t bytes = size;
  const char* in = static_cast<const char*>(x);
  char* out = static_cast<char*>(y);
  if (x_strides.column == 1 && y_strides.column == 1) {
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(out + r * y_strides.row * bytes, in + r * x_strides.row * bytes,
                  static_cast<size_t>(columns) * size);
    return;
  }
  for (int64_t r = 0; r < rows; r += tile)
    for (int64_t c = 0; c < columns; c += tile)
      copy_elements<size>(in + (r * x_strides.row + c * x_strides.column) * bytes, x_strides,
                          out + (r * y_strides.row + c * y_strides.column) * bytes, y_strides,
                          rows - r < tile ? rows - r : tile,
                          columns - c < tile ? columns - c : tile);
}

template <size_t size>
void fill_scalar(const void* value, void* y, int64_t count) noexcept {
  char* out = static_cast<char*>(y);
  for (int64_t i = 0; i < count; ++i, out += size) std::memcpy(out, value, size);
}

}  // namespace

template <>
std::span<const KernelRow<Copy>> copy_kernels<1>() noexcept {
  static constexpr KernelRow<Copy> rows[] = {
      ESPALIER_CUDA_ROW(copy<uint8_t>){Isa::scalar, copy_scalar<1>}};
  return rows;
}

template <>
std::span<const KernelRow<Copy>> copy_kernels<2>() noexcept {
  static constexpr KernelRow<Copy> rows[] = {
      ESPALIER_CUDA_ROW(copy<uint16_t>){Isa::scalar, copy_scalar<2>}};
  return rows;
}

template <>
std::span<const KernelRow<Copy>> copy_kernels<4>() noexcept {
  static constexpr KernelRow<Copy> rows[] = {
      ESPALIER_CUDA_ROW(copy<uint32_t>) ESPALIER_ISA_ROWS(copy_4){Isa::scalar, copy_scalar<4>}};
  return rows;
}

template <>
std::span<const KernelRow<Copy>> copy_kernels<8>() noexcept {
  static constexpr KernelRow<Copy> rows[] = {
      ESPALIER_CUDA_ROW(copy<uint64_t>){Isa::scalar, copy_scalar<8>}};
  return rows;
}

template <>
std::span<const KernelRow<Fill>> fill_kernels<1>() noexcept {
  static constexpr KernelRow<Fill> rows[] = {
      ESPALIER_CUDA_ROW(fill<uint8_t>){Isa::scalar, fill_scalar<1>}};
  return rows;
}

template <>
std::span<const KernelRow<Fill>> fill_kernels<2>() noexcept {
  static constexpr KernelRow<Fill> rows[] = {
      ESPALIER_CUDA_ROW(fill<uint16_t>){Isa::scalar, fill_scalar<2>}};
  return rows;
}

template <>
std::span<const KernelRow<Fill>> fill_kernels<4>() noexcept {
  static constexpr KernelRow<Fill> rows[] = {
      ESPALIER_CUDA_ROW(fill<uint32_t>){Isa::scalar, fill_scalar<4>}};
  return rows;
}

template <>
std::span<const KernelRow<Fill>> fill_kernels<8>() noexcept {
  static constexpr KernelRow<Fill> rows[] = {
      ESPALIER_CUDA_ROW(fill<uint64_t>){Isa::scalar, fill_scalar<8>}};
  return rows;
}

}  // namespace espalier
