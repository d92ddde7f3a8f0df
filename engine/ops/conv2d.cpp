#include "engine/ops/conv2d.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/gemm.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/conv2d_patches.h"
#include "engine/ops/conv2d_unfolded.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/binary/binary.h"
#include "kernels/conv2d_bf16/conv2d_bf16.h"
#include "kernels/gemm_half/gemm_half.h"

namespace espalier {
namespace {

// A multiplication and an addition for each element of each output's window.
int64_t conv2d_flops(Shapes inputs, const Shape& y) {
  const Shape& weight = inputs[1];
  return 2 * y.numel() * (weight.numel() / weight[0]);
}

void lower(Lowering& l);
void onnx(OnnxWriter& w);

Tensor replay_call(const NodeCall& c) {
  return conv2d(c.in(0), c.in(1), c.in(2), c.integer("stride"), c.integer("padding"));
}

constexpr Op conv2d_op{
    .name = "conv2d", .flops = conv2d_flops, .lower = lower, .replay = replay_call};

Convolution checked(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride,
                    int64_t padding) {
  const char* op = conv2d_op.name;
  check_floating_point(op, "x", x);
  check_same_dtype(op, "weight", weight, x);
  const Convolution c = checked_convolution(op, x, weight, stride, padding);
  if (bias.defined()) {
    check_same_dtype(op, "bias", bias, x);
    check_shape(op, "bias", bias, {weight.size(0)});
  }
  return c;
}

// Output rows of one piece of work: an image where there are many, or as few rows as still fill
// register tiles and outweigh the start of a piece.
int64_t rows_a_piece(const Convolution& c) {
  const Conv2dShape& s = c.shape;
  if (c.images >= 16) return s.out_height();
  constexpr int64_t least_pixels = 48, least_products = 1'000'000;
  const int64_t row_products = s.out_width() * s.out_channels * s.depth();
  const int64_t rows = std::max(least_pixels / s.out_width(), least_products / row_products) + 1;
  return std::min(rows, s.out_height());
}

// Matrix B[k, n] = B[k * k_stride + n * n_stride], packed for the products of kernels/conv2d.
template <class T>
void pack(const T* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N, T* packed) {
  kernel(gemm_kernels<T>()).pack_b(B, k_stride, n_stride, K, N, packed);
}

template <class T>
int64_t packed_size(int64_t K, int64_t N) {
  return gemm_packed_size(kernel(gemm_kernels<T>()).panel, K, N);
}

// Values that bordered() may write.
int64_t border_scratch(const Convolution& c) { return c.padding ? c.shape.in_size() : 0; }

// Rows [first, last) of image `b` with its border: in place where there is none, else in `scratch`.
template <class T>
const T* bordered(const Convolution& c, const T* x, int64_t b, int64_t first, int64_t last,
                  T* scratch) {
  const T* image = x + b * c.in_size();
  if (c.padding == 0) return image + first * c.shape.row_size();
  conv2d_pad(image, scratch, c.padding, first, last, c.shape);
  return scratch;
}

template <class T>
Tensor packed_weight(const Convolution& c, const Tensor& weight) {
  const Conv2dShape& s = c.shape;
  const Tensor packed = Tensor::empty({packed_size<T>(s.depth(), s.out_channels)}, dtype_of<T>());
  pack(weight.data<T>(), 1, s.depth(), s.depth(), s.out_channels, packed.data<T>());
  return packed;
}

// The products of bf16, which has kernels for matrices only: they take the place of kernels/conv2d.
const GemmKernel<float>* patch_kernel(const Convolution& c) {
  return c.precision == Precision::bf16 ? &kernel(bf16_kernels().gemm) : nullptr;
}
template <class T>
constexpr bool is_float = std::is_same_v<T, float>;

// What convolves images as words of two bf16, unless they have none or this machine no row for it.
const KernelRow<Conv2dBf16>* words_row(const Conv2dShape& s) {
  const auto& best = kernel(conv2d_bf16_kernels());
  return s.in_channels % 2 == 0 && best.isa != Isa::scalar ? &best : nullptr;
}

Tensor packed_words(Isa isa, const Conv2dShape& s, const Tensor& weight) {
  const GemmKernel<float>& row = gemm_half_bf16_row(isa);
  const Tensor packed = Tensor::empty({row.packed_size(s.depth(), s.out_channels)});
  row.pack_b(weight.data<float>(), 1, s.depth(), s.depth(), s.out_channels, packed.data<float>());
  return packed;
}

// `with_scratch(f)` calls f with memory that the calling thread may write, and
// `run(image, out, part, rest)` convolves the part of a bordered image that makes some output rows;
// `rest` is what of that memory lies behind its first border_scratch() values.
template <class T, class WithScratch, class Run>
void forward_images(const Convolution& c, const T* x, T* y, WithScratch with_scratch, Run run) {
  const Conv2dShape& s = c.shape;
  const int64_t rows = rows_a_piece(c), pieces = (s.out_height() + rows - 1) / rows;
  parallel_for(c.images * pieces, 1, [&](int64_t begin, int64_t end) {
    with_scratch([&](T* scratch) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t b = piece / pieces, i = piece % pieces * rows;
        const Conv2dShape part = s.with_out_height(std::min(rows, s.out_height() - i));
        const T* image = bordered(c, x, b, i * s.stride, i * s.stride + part.height, scratch);
        T* out = y + b * s.out_size() + i * s.out_width() * s.out_channels;
        run(image, out, part, scratch + border_scratch(c));
      }
    });
  });
}

Tensor forward(const Convolution& c, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = Tensor::empty(c.out_shape(), x.dtype());
  visit_floating_point(x.dtype(), [&]<class T>() {
    const T* shift = bias.defined() ? bias.data<T>() : nullptr;
    if constexpr (is_float<T>)
      if (const auto* row = patch_kernel(c))
        return conv2d_by_patches(*row, c, x.data<T>(), weight.data<T>(), shift, y.data<T>());
    const Tensor packed = packed_weight<T>(c, weight);
    const auto& best = espalier::kernel(conv2d_forward_kernels<T>());
    forward_images(
        c, x.data<T>(), y.data<T>(),
        [&](auto f) {
          const Tensor scratch = Tensor::empty({border_scratch(c)}, dtype_of<T>());
          f(scratch.data<T>());
        },
        [&](const T* image, T* out, const Conv2dShape& part, T*) {
          best.run(image, packed.data<T>(), shift, out, part);
        });
  });
  return y;
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_in(0), y = l.out();
  const Tensor weight = contiguous(l.constant(1));
  const Convolution each =
      convolution(shape_at(x.shape, 1), weight.shape(), l.integer("stride"), l.integer("padding"));
  const auto& whole = kernel(conv2d_forward_kernels<float>());
  const auto* half = l.weights() == DType::bf16 ? words_row(each.shape) : nullptr;
  const Address packed = l.keep(half ? packed_words(half->isa, each.shape, weight)
                                     : packed_weight<float>(each, weight));
  const std::optional<Operand> bias = l.has(2) ? std::optional(l.contiguous_in(2)) : std::nullopt;
  l.step(
      half ? half->isa : whole.isa,
      [=, &whole](const StepRun& run) {
        Convolution c = each;
        c.images = x.shape[0].at(run.batch);
        const float *right = run.at(packed), *shift = bias ? run.at(bias->address) : nullptr;
        forward_images<float>(
            c, run.at(x.address), run.at(y.address),
            [&](auto f) {
              const Scratch scratch(run);
              f(scratch.data());
            },
            [&](const float* image, float* out, const Conv2dShape& part, float* rest) {
              if (half) return half->run(image, right, shift, out, rest, part);
              whole.run(image, right, shift, out, part);
            });
      },
      border_scratch(each) + (half ? conv2d_bf16_scratch(each.shape) : 0),
      half ? DType::bf16 : DType::f32);
}

void onnx(OnnxWriter& w) {
  std::vector<OnnxName> inputs = {w.in(0), w.in_permuted(1, onnx_conv2d_weight())};
  if (w.has(2)) inputs.push_back(w.in(2));
  onnx_conv2d(w, std::move(inputs));
}

template <class T>
Tensor input_gradient(const Convolution& c, const Tensor& dy, const Tensor& weight) {
  const Conv2dShape& s = c.shape;
  const Tensor dx = Tensor::empty(c.in_shape, dy.dtype());
  if constexpr (is_float<T>)
    if (const auto* row = patch_kernel(c)) {
      conv2d_input_gradient_by_patches(*row, c, dy.data<T>(), weight.data<T>(), dx.data<T>());
      return dx;
    }
  const int64_t taps = s.kernel_height * s.kernel_width;
  const int64_t tap_size = packed_size<T>(s.out_channels, s.in_channels);
  const Tensor packed = Tensor::empty({taps * tap_size}, dy.dtype());
  for (int64_t tap = 0; tap < taps; ++tap)
    pack(weight.data<T>() + tap * s.in_channels, s.depth(), 1, s.out_channels, s.in_channels,
         packed.data<T>() + tap * tap_size);
  const auto& best = kernel(conv2d_input_gradient_kernels<T>());
  parallel_for(c.images, 1, [&](int64_t begin, int64_t end) {
    const Tensor scratch = Tensor::empty({s.in_size()}, dy.dtype());
    for (int64_t b = begin; b < end; ++b) {
      scratch.fill_(0);
      best.run(dy.data<T>() + b * s.out_size(), packed.data<T>(), scratch.data<T>(), s);
      conv2d_crop(scratch.data<T>(), dx.data<T>() + b * c.in_size(), c.padding, s);
    }
  });
  return dx;
}

// The gradients from images [begin, end) into sums: the weight's, transposed unless it comes by
// patches, and the bias's unless bias_sums is null.
template <class T>
void sum_weight_gradients(const Convolution& c, const Tensor& x, const Tensor& dy, int64_t begin,
                          int64_t end, T* sums, T* bias_sums) {
  const Conv2dShape& s = c.shape;
  if (bias_sums) std::fill_n(bias_sums, s.out_channels, T(0));
  if constexpr (is_float<T>)
    if (const auto* row = patch_kernel(c)) {
      conv2d_weight_gradient_by_patches(*row, c, x.data<T>(), dy.data<T>(), begin, end, sums);
      if (bias_sums)
        add_rows(dy.data<T>() + begin * s.out_size(), (end - begin) * s.out_pixels(),
                 s.out_channels, bias_sums);
      return;
    }
  std::fill_n(sums, s.depth() * s.out_channels, T(0));
  const auto& best = kernel(conv2d_weight_gradient_kernels<T>());
  // So many pixels that a packed panel of them stays in the first-level cache.
  const int64_t blocks = (s.out_pixels() + 255) / 256;
  const int64_t rows = (s.out_height() + blocks - 1) / blocks;
  const Tensor packed =
      Tensor::empty({packed_size<T>(rows * s.out_width(), s.out_channels)}, x.dtype());
  const Tensor scratch = Tensor::empty({border_scratch(c)}, x.dtype());
  for (int64_t b = begin; b < end; ++b) {
    const T* image = bordered(c, x.data<T>(), b, 0, s.height, scratch.data<T>());
    for (int64_t i = 0; i < s.out_height(); i += rows) {
      const Conv2dShape part = s.with_out_height(std::min(rows, s.out_height() - i));
      const T* from = dy.data<T>() + b * s.out_size() + i * s.out_width() * s.out_channels;
      pack(from, s.out_channels, 1, part.out_pixels(), s.out_channels, packed.data<T>());
      best.run(image + i * s.stride * s.row_size(), packed.data<T>(), sums, bias_sums, part);
    }
  }
}

// to[n, m] = from[m, n], added to what it holds where `accumulate`.
template <class T>
void transpose_into(const T* from, int64_t M, int64_t N, T* to, bool accumulate) {
  constexpr int64_t block = 16;  // a cache line each way
  for (int64_t m0 = 0; m0 < M; m0 += block)
    for (int64_t n = 0; n < N; ++n)
      for (int64_t m = m0; m < std::min(m0 + block, M); ++m)
        to[n * M + m] = accumulate ? to[n * M + m] + from[m * N + n] : from[m * N + n];
}

// Images are dealt to at most 16 sums, which are then added in order: the same sums for any number
// of threads.
template <class T>
void weight_gradients(const Convolution& c, const Tensor& x, const Tensor& dy,
                      InputGradients& inputs) {
  const Conv2dShape& s = c.shape;
  const int64_t size = (s.depth() + (inputs.wants(2) ? 1 : 0)) * s.out_channels;
  const int64_t chunk = std::max<int64_t>(16, (c.images + 15) / 16);
  const int64_t chunks = (c.images + chunk - 1) / chunk;
  const Tensor sums = Tensor::empty({std::max<int64_t>(1, chunks), size}, x.dtype());
  T* first = sums.data<T>();
  if (chunks == 0) std::fill_n(first, size, T(0));
  parallel_for(c.images, chunk, [&](int64_t begin, int64_t end) {
    T* to = first + begin / chunk * size;
    T* bias = inputs.wants(2) ? to + size - s.out_channels : nullptr;
    sum_weight_gradients<T>(c, x, dy, begin, end, to, bias);
  });
  const auto& axpby = kernel(axpby_kernels<T>());
  parallel_for(size, grain_for(chunks), [&](int64_t begin, int64_t end) {
    for (int64_t i = 1; i < chunks; ++i)
      axpby.run(1, first + i * size + begin, 1, first + begin, end - begin);
  });
  if (inputs.wants(1)) {
    const auto to = inputs.destination(1);
    const int64_t columns = is_float<T> && patch_kernel(c) ? 1 : s.out_channels;
    transpose_into(first, s.depth() * s.out_channels / columns, columns,
                   to.tensor.template data<T>(), to.accumulate);
  }
  if (inputs.wants(2)) {
    const auto to = inputs.destination(2);
    transpose_into(first + s.depth() * s.out_channels, s.out_channels, int64_t{1},
                   to.tensor.template data<T>(), to.accumulate);
  }
}

struct Saved {
  Convolution convolution;
  Tensor x, weight;
};

void derivative(const Saved& saved, const Tensor& gradient, InputGradients& inputs) {
  const Convolution& c = saved.convolution;
  const Tensor dy = contiguous(gradient);
  if (on_cuda()) {
    if (inputs.wants(0)) inputs.add(0, conv2d_input_gradient_unfolded(c, dy, saved.weight));
    if (inputs.wants(1)) conv2d_weight_gradient_unfolded(c, saved.x, dy, inputs.destination(1));
    if (inputs.wants(2)) conv2d_bias_gradient_unfolded(c, dy, inputs.destination(2));
    return;
  }
  visit_floating_point(dy.dtype(), [&]<class T>() {
    if (inputs.wants(0)) inputs.add(0, input_gradient<T>(c, dy, saved.weight));
    if (inputs.wants(1) || inputs.wants(2)) weight_gradients<T>(c, saved.x, dy, inputs);
  });
}

// Of x [B, H, W, C], weight [out, height, width, C] and y [B, H, W, out].
void tie_axes(NodeAxes& n) {
  constexpr int y = NodeAxes::out;
  n.tie({0, 0}, {y, 0});
  for (int dim : {1, 2}) {
    n.fix({0, dim});
    n.fix({1, dim});
    n.fix({y, dim});
  }
  n.tie({0, 3}, {1, 3});
  n.tie({y, 3}, {1, 0});
  if (n.has(2)) n.tie({2, 0}, {1, 0});
  n.mark({y, 3}, AxisRole::filters);
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride,
              int64_t padding) {
  Convolution c = checked(x, weight, bias, stride, padding);
  c.precision = product_precision(conv2d_op.name, x);
  const OpScope scope(conv2d_op.name, x);
  const Tensor in = contiguous(x.detach()), filter = contiguous(weight.detach());
  const Tensor offset = bias.defined() ? contiguous(bias.detach()) : Tensor();
  const Tensor y =
      on_cuda() ? conv2d_unfolded(c, in, filter, offset) : forward(c, in, filter, offset);
  return record(conv2d_op, {{"stride", stride}, {"padding", padding}}, {x, weight, bias}, y,
                Saved{c, in, filter});
}

void conv2d_derivatives(Derivatives& all) { all.add<derivative>(conv2d_op); }

void conv2d_onnx_forms(OnnxForms& all) { all.add(conv2d_op, onnx); }

void conv2d_axis_rules(AxisRules& all) { all.add(conv2d_op, tie_axes); }

}  // namespace espalier
