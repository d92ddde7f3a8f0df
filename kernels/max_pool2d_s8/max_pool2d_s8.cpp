#include "kernels/max_pool2d_s8/max_pool2d_s8_scalar.h"

namespace espalier {
namespace {

void max_pool2d_s8_scalar(const int8_t* x, int8_t* y, int64_t images,
                          const MaxPool2dShape& s) noexcept {
  for (int64_t b = 0; b < images; ++b, x += s.in_size())
    for (int64_t i = 0; i < s.out_height(); ++i)
      for (int64_t j = 0; j < s.out_width(); ++j)
        for (int64_t c = 0; c < s.channels; ++c)
          *y++ = largest_of(x, s, i * s.stride - s.padding, j * s.stride - s.padding, c);
}

}  // namespace

std::span<const KernelRow<MaxPool2dS8>> max_pool2d_s8_kernels() noexcept {
  static constexpr KernelRow<MaxPool2dS8> rows[] = {
      ESPALIER_IF_AVX2({Isa::avx2, avx2::max_pool2d_s8}, )
          ESPALIER_IF_NEON({Isa::neon, neon::max_pool2d_s8}, )
              ESPALIER_CUDA_ROW(max_pool2d_s8){Isa::scalar, max_pool2d_s8_scalar}};
  return rows;
}

}  // namespace espalier
