#include "engine/ops/conv2d_patches.h"

#include <algorithm>

#include "engine/dispatch.h"
#include "engine/parallel.h"
#include "kernels/binary/binary.h"

namespace espalier {
namespace {

// Calls f(at_patch, at_image, count) for every run of values that a patch has from inside the
// image.
template <class F>
void for_each_run(const Convolution& c, F f) {
  const Conv2dShape& s = c.shape;
  const int64_t height = c.in_shape[1], width = c.in_shape[2], channels = s.in_channels;
  int64_t patch = 0;
  for (int64_t i = 0; i < s.out_height(); ++i)
    for (int64_t j = 0; j < s.out_width(); ++j) {
      const int64_t left = j * s.stride - c.padding;
      const int64_t first = std::max<int64_t>(0, -left);
      const int64_t last = std::min(s.kernel_width, width - left);
      for (int64_t u = 0; u < s.kernel_height; ++u, patch += s.kernel_width * channels) {
        const int64_t h = i * s.stride - c.padding + u;
        if (h < 0 || h >= height || first >= last) continue;
        f(patch + first * channels, (h * width + left + first) * channels,
          (last - first) * channels);
      }
    }
}

constexpr int64_t images_a_piece = 4;

// The patches of one image after the other; what lies in the border stays zero.
class Patches {
 public:
  explicit Patches(const Convolution& c)
      : c_(c), values_(Tensor::zeros({c.shape.out_pixels(), c.shape.depth()})) {}

  const float* of(const float* image) {
    float* to = values_.data<float>();
    for_each_run(c_, [&](int64_t patch, int64_t at, int64_t count) {
      std::copy_n(image + at, count, to + patch);
    });
    return to;
  }

 private:
  const Convolution& c_;
  Tensor values_;
};

// B[k, n] = B[k * k_stride + n * n_stride]
Tensor packed(const GemmKernel<float>& row, const float* B, int64_t k_stride, int64_t n_stride,
              int64_t K, int64_t N) {
  const Tensor out = Tensor::empty({row.packed_size(K, N)});
  row.pack_b(B, k_stride, n_stride, K, N, out.data<float>());
  return out;
}

}  // namespace

void conv2d_by_patches(const GemmKernel<float>& row, const Convolution& c, const float* x,
                       const float* weight, const float* bias, float* y) {
  const Conv2dShape& s = c.shape;
  const Tensor right = packed(row, weight, 1, s.depth(), s.depth(), s.out_channels);
  parallel_for(c.images, images_a_piece, [&](int64_t begin, int64_t end) {
    Patches patches(c);
    Gemm<float> g;
    g.M = s.out_pixels(), g.N = s.out_channels, g.K = s.depth();
    g.a_row_stride = g.K, g.a_k_stride = 1;
    g.packed_b = right.data<float>();
    g.c_row_stride = g.N;
    g.bias = bias;
    for (int64_t b = begin; b < end; ++b) {
      g.A = patches.of(x + b * c.in_size());
      g.C = y + b * s.out_size();
      row.run(g);
    }
  });
}

void conv2d_input_gradient_by_patches(const GemmKernel<float>& row, const Convolution& c,
                                      const float* dy, const float* weight, float* dx) {
  const Conv2dShape& s = c.shape;
  const Tensor right = packed(row, weight, s.depth(), 1, s.out_channels, s.depth());
  const auto& axpby = kernel(axpby_kernels<float>());
  parallel_for(c.images, images_a_piece, [&](int64_t begin, int64_t end) {
    const Tensor gradient = Tensor::empty({s.out_pixels(), s.depth()});
    Gemm<float> g;
    g.M = s.out_pixels(), g.N = s.depth(), g.K = s.out_channels;
    g.a_row_stride = g.K, g.a_k_stride = 1;
    g.packed_b = right.data<float>();
    g.C = gradient.data<float>(), g.c_row_stride = g.N;
    for (int64_t b = begin; b < end; ++b) {
      g.A = dy + b * s.out_size();
      row.run(g);
      float* const to = dx + b * c.in_size();
      std::fill_n(to, c.in_size(), 0.0f);
      for_each_run(c, [&](int64_t patch, int64_t at, int64_t count) {
        axpby.run(1, g.C + patch, 1, to + at, count);
      });
    }
  });
}

void conv2d_weight_gradient_by_patches(const GemmKernel<float>& row, const Convolution& c,
                                       const float* x, const float* dy, int64_t begin, int64_t end,
                                       float* dweight) {
  const Conv2dShape& s = c.shape;
  Patches patches(c);
  const Tensor right = Tensor::empty({row.packed_size(s.out_pixels(), s.depth())});
  Gemm<float> g;
  g.M = s.out_channels, g.N = s.depth(), g.K = s.out_pixels();
  g.a_row_stride = 1, g.a_k_stride = s.out_channels;
  g.packed_b = right.data<float>();
  g.C = dweight, g.c_row_stride = g.N;
  for (int64_t b = begin; b < end; ++b) {
    g.accumulate = b > begin;
    row.pack_b(patches.of(x + b * c.in_size()), g.N, 1, g.K, g.N, right.data<float>());
    g.A = dy + b * s.out_size();
    row.run(g);
  }
}

}  // namespace espalier
