#include "engine/ops/conv2d_s8.h"

#include <algorithm>
#include <limits>

#include "engine/autograd.h"
#include "engine/axes.h"
#include "engine/derivatives.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/lowering.h"
#include "engine/ops/convolution.h"
#include "engine/ops/layer_s8.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/replay.h"
#include "kernels/conv2d_s8/conv2d_s8.h"
#include "kernels/function_ref.h"

namespace espalier {
namespace {

// Inputs: x, weight, bias, multiplier, scale.
int64_t flops(Shapes inputs, const Shape& y) { return 2 * y.numel() * depth_of(inputs[1]); }

// Patches lie a multiple of four bytes apart, as dot-product instructions take them, or of sixteen,
// as a GPU copies them, so that kernels need not pad each. What lies between them meets weights of
// 0.
int64_t patch_stride(const Conv2dShape& s) {
  const int64_t step = on_cuda() ? 16 : 4;
  return (s.depth() + step - 1) / step * step;
}

// Tiles of 64 values of k would be empty for the most part where depth is this small; their row is
// the first of the table, if it is there.
const GemmS8Kernel& row_for(const Conv2dShape& s) {
  constexpr int64_t shallow = 32;
  const auto rows = gemm_s8_kernels();
  return kernel(rows.subspan(rows[0].isa == Isa::amx && s.depth() <= shallow ? 1 : 0));
}

Tensor packed_weight(const GemmS8Kernel& row, const Tensor& weight, const Conv2dShape& s) {
  const Tensor wide = Tensor::zeros({s.out_channels, patch_stride(s)}, DType::s8);
  slice(wide, 1, 0, s.depth()).copy_(reshape(weight, {s.out_channels, s.depth()}));
  return packed_weight_s8(row, wide);
}

// Multiply-adds of an output row; rounding a sum takes about as long as 64 of them.
int64_t row_cost(const Conv2dShape& s) { return s.out_width() * s.out_channels * (s.depth() + 64); }

// An image is worked on in blocks of output rows: so few that their patches stay in the
// second-level cache, and where there are few images, that threads can share one.
int64_t rows_a_block(const Convolution& c) {
  constexpr int64_t patch_bytes = 1 << 17, few_images = 16, least_cost = 1 << 21;
  const Conv2dShape& s = c.shape;
  int64_t rows = patch_bytes / (s.out_width() * patch_stride(s));
  if (c.images < few_images) rows = std::min(rows, least_cost / row_cost(s));
  return std::clamp<int64_t>(rows, 1, s.out_height());
}

// Bytes of so many output rows' part of the image, and then their patches.
int64_t bordered_bytes(const Conv2dShape& s, int64_t rows) {
  return s.with_out_height(rows).in_size() + conv2d_s8_slack;
}
int64_t scratch_bytes(const Convolution& c) {
  const int64_t rows = rows_a_block(c);
  return bordered_bytes(c.shape, rows) + rows * c.shape.out_width() * patch_stride(c.shape) +
         conv2d_s8_slack;
}

// `whole` is the product of all images but for A and M. `with_scratch(f)` calls f with
// scratch_bytes() that the calling thread may write.
void multiply_images(const GemmS8Kernel& row, const Convolution& c, const int8_t* x, int8_t border,
                     const GemmS8& whole,
                     FunctionRef<void(FunctionRef<void(int8_t*)>)> with_scratch) {
  const Conv2dShape& s = c.shape;
  const int64_t rows = rows_a_block(c), blocks = (s.out_height() + rows - 1) / rows;
  constexpr int64_t piece = 1 << 20;
  const int64_t grain = std::max<int64_t>(1, piece / (rows * row_cost(s)));
  parallel_for(c.images * blocks, grain, [&](int64_t begin, int64_t end) {
    with_scratch([&](int8_t* bordered) {
      int8_t* const patches = bordered + bordered_bytes(s, rows);
      GemmS8 g = whole;
      g.A = patches, g.a_row_stride = g.K;
      for (int64_t at = begin; at < end; ++at) {
        const int64_t b = at / blocks, i = at % blocks * rows, first = i * s.stride;
        const Conv2dShape part = s.with_out_height(std::min(rows, s.out_height() - i));
        conv2d_s8_pad(x + b * c.in_size(), bordered, c.padding, border, first, first + part.height,
                      s);
        conv2d_s8_patches(bordered, patches, g.K, part);
        g.M = part.out_pixels();
        g.C = static_cast<int8_t*>(whole.C) + b * s.out_size() + i * s.out_width() * g.N;
        row.run(g);
      }
    });
  });
}

// The same on a GPU, by pieces of the batch whose patches take some 64 MiB.
void multiply_on_gpu(const GemmS8Kernel& row, const Convolution& c, const int8_t* x, int8_t border,
                     const GemmS8& whole) {
  constexpr int64_t most_bytes = 1 << 26;
  const int64_t pixels = c.shape.out_pixels(), an_image = pixels * whole.K;
  const int64_t piece =
      std::clamp<int64_t>(most_bytes / an_image, 1, std::max<int64_t>(1, c.images));
  const Tensor patches = Tensor::empty({piece * an_image}, DType::s8);
  GemmS8 g = whole;
  g.A = patches.data<int8_t>(), g.a_row_stride = g.K;
  for (int64_t b = 0; b < c.images; b += piece) {
    const int64_t images = std::min(piece, c.images - b);
    kernel(conv2d_s8_unfold_kernels())
        .run(x + b * c.in_size(), patches.data<int8_t>(), g.K, images, c.padding, border, c.shape);
    g.M = images * pixels;
    g.C = static_cast<int8_t*>(whole.C) + b * c.shape.out_size();
    row.run(g);
  }
}

GemmS8 product(const Convolution& c, int64_t zero_point) {
  GemmS8 g;
  g.N = c.shape.out_channels, g.K = patch_stride(c.shape);
  g.output = GemmS8Output::s8;
  g.zero_point = static_cast<int>(zero_point);
  g.c_row_stride = g.N;
  return g;
}

void lower(Lowering& l) {
  const Operand x = l.contiguous_in(0), bias = l.contiguous_in(2), multiplier = l.contiguous_in(3);
  const Operand y = l.out();
  const Tensor weight = l.constant(1);
  Convolution each =
      convolution(shape_at(x.shape, 1), weight.shape(), l.integer("stride"), l.integer("padding"));
  const GemmS8Kernel& row = row_for(each.shape);
  const Address packed = l.keep(packed_weight(row, weight, each.shape));
  const auto border = static_cast<int8_t>(l.integer("border"));
  const GemmS8 whole = product(each, l.integer("zero_point"));
  each.images = std::numeric_limits<int64_t>::max();  // whose blocks are the largest
  const int64_t floats = (scratch_bytes(each) + 3) / 4;
  l.step(
      row.isa,
      [=, &row](const StepRun& run) {
        Convolution c = each;
        c.images = x.shape[0].at(run.batch);
        GemmS8 g = whole;
        g.packed_b = run.at<std::byte>(packed);
        g.bias = run.at<int32_t>(bias.address), g.multiplier = run.at(multiplier.address);
        g.C = run.at<int8_t>(y.address);
        multiply_images(row, c, run.at<int8_t>(x.address), border, g, [&](auto f) {
          const Scratch scratch(run);
          f(reinterpret_cast<int8_t*>(scratch.data()));
        });
      },
      floats);
}

Tensor replay_call(const NodeCall& c) {
  return conv2d_s8(c.in(0), {c.in(1), c.in(2), c.in(3), c.in(4)},
                   {c.integer("stride"), c.integer("padding"), c.integer("border")},
                   c.integer("zero_point"));
}

void onnx(OnnxWriter& w) {
  if (w.codes(0).zero_point != w.integer("border"))
    argument_error("export", w.node().op->name, "with a border that is not 0",
                   "the zero point of its input", "");
  std::vector<double> scales{0};
  if (w.has(4)) scales = w.constant(4).to_vector();
  w.out_codes({scales, w.integer("zero_point")});
  const OnnxLayerS8 layer = onnx_layer_s8(w, 0, scales, onnx_conv2d_weight());
  onnx_conv2d(w, {w.in_codes(0), layer.weights, layer.bias});
}

constexpr Op conv2d_s8_op{
    .name = "conv2d_s8", .flops = flops, .lower = lower, .replay = replay_call};

Convolution checked(const Tensor& x, const LinearS8& layer, const WindowsS8& windows,
                    int64_t zero_point) {
  const char* op = conv2d_s8_op.name;
  check_dtype(op, "x", x, DType::s8);
  check_dtype(op, "weight", layer.weight, DType::s8);
  const Convolution c = checked_convolution(op, x, layer.weight, windows.stride, windows.padding);
  check_layer_s8(op, layer);
  check_code_s8(op, "border", windows.border);
  check_code_s8(op, "zero_point", zero_point);
  return c;
}

}  // namespace

Tensor conv2d_s8(const Tensor& x, const LinearS8& layer, const WindowsS8& windows,
                 int64_t zero_point) {
  const Convolution c = checked(x, layer, windows, zero_point);
  const OpScope scope(conv2d_s8_op.name, x);
  const NoGradGuard off;
  const GemmS8Kernel& row = row_for(c.shape);
  const Tensor in = contiguous(x), packed = packed_weight(row, layer.weight, c.shape);
  const Tensor bias = contiguous(layer.bias), multiplier = contiguous(layer.multiplier);
  const Tensor y = Tensor::empty(c.out_shape(), DType::s8);
  GemmS8 g = product(c, zero_point);
  g.packed_b = packed.bytes();
  g.bias = bias.data<int32_t>(), g.multiplier = multiplier.data<float>();
  g.C = y.data<int8_t>();
  const auto border = static_cast<int8_t>(windows.border);
  if (on_cuda())
    multiply_on_gpu(row, c, in.data<int8_t>(), border, g);
  else
    multiply_images(row, c, in.data<int8_t>(), border, g, [&](auto f) {
      const Tensor scratch = Tensor::empty({scratch_bytes(c)}, DType::s8);
      f(scratch.data<int8_t>());
    });
  return record(conv2d_s8_op,
                {{"stride", windows.stride},
                 {"padding", windows.padding},
                 {"border", windows.border},
                 {"zero_point", zero_point}},
                {x, layer.weight, layer.bias, layer.multiplier, layer.scale}, y, nullptr);
}

void conv2d_s8_derivatives(Derivatives&) {}

void conv2d_s8_onnx_forms(OnnxForms& all) { all.add(conv2d_s8_op, onnx); }

void conv2d_s8_axis_rules(AxisRules&) {}

}  // namespace espalier
