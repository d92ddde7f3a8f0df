#include "kernels/conv2d/conv2d.h"

#include "bench/cases/case.h"
#include "kernels/cast/cast.h"
#include "kernels/conv2d_bf16/conv2d_bf16.h"
#include "kernels/gemm_half/gemm_half.h"

namespace espalier::bench {
namespace {

template <class T>
using Values = std::vector<T, LikeTensors<T>>;

// One image with its border, and the result of the product that the case is about.
template <class T>
struct Data {
  Conv2dShape shape;
  Values<T> x, weight, bias, dy, result, dbias;
};

template <class T>
std::shared_ptr<Data<T>> make_data(const Conv2dShape& s, int64_t result_size) {
  const auto sample = [](int64_t count, unsigned seed) {
    const Floats values = normal(count, seed);
    return Values<T>(values.begin(), values.end());
  };
  return std::make_shared<Data<T>>(Data<T>{
      s, sample(s.in_size(), 1), sample(s.depth() * s.out_channels, 2), sample(s.out_channels, 3),
      sample(s.out_size(), 4), Values<T>(static_cast<size_t>(result_size)),
      Values<T>(static_cast<size_t>(s.out_channels))});
}

// `count` matrices B, `step` apart, packed for the convolution row of the same instruction set.
template <class T>
Values<T> pack(Isa isa, const Values<T>& B, int64_t k_stride, int64_t n_stride, int64_t K,
               int64_t N, int64_t count = 1, int64_t step = 0) {
  const auto rows = gemm_kernels<T>();
  const auto& gemm =
      *std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.isa == isa; });
  const int64_t size = gemm_packed_size(gemm.panel, K, N);
  Values<T> packed(static_cast<size_t>(count * size));
  for (int64_t i = 0; i < count; ++i)
    gemm.pack_b(B.data() + i * step, k_stride, n_stride, K, N, packed.data() + i * size);
  return packed;
}

template <class T>
auto runner(std::shared_ptr<Data<T>> d, const KernelRow<Conv2dForward<T>>& row) {
  const Conv2dShape& s = d->shape;
  auto packed = pack(row.isa, d->weight, 1, s.depth(), s.depth(), s.out_channels);
  return [d, run = row.run, packed = std::move(packed)](int64_t, int64_t) {
    run(d->x.data(), packed.data(), d->bias.data(), d->result.data(), d->shape);
  };
}

template <class T>
auto runner(std::shared_ptr<Data<T>> d, const KernelRow<Conv2dWeightGradient<T>>& row) {
  const Conv2dShape& s = d->shape;
  auto packed = pack(row.isa, d->dy, s.out_channels, 1, s.out_pixels(), s.out_channels);
  return [d, run = row.run, packed = std::move(packed)](int64_t, int64_t) {
    std::fill(d->result.begin(), d->result.end(), T(0));
    std::fill(d->dbias.begin(), d->dbias.end(), T(0));
    run(d->x.data(), packed.data(), d->result.data(), d->dbias.data(), d->shape);
  };
}

template <class T>
auto runner(std::shared_ptr<Data<T>> d, const KernelRow<Conv2dInputGradient<T>>& row) {
  const Conv2dShape& s = d->shape;
  auto packed = pack(row.isa, d->weight, s.depth(), 1, s.out_channels, s.in_channels,
                     s.kernel_height * s.kernel_width, s.in_channels);
  return [d, run = row.run, packed = std::move(packed)](int64_t, int64_t) {
    std::fill(d->result.begin(), d->result.end(), T(0));
    run(d->dy.data(), packed.data(), d->result.data(), d->shape);
  };
}

auto runner(std::shared_ptr<Data<float>> d, const KernelRow<Conv2dBf16>& row) {
  const Conv2dShape& s = d->shape;
  const GemmKernel<float>& product = gemm_half_bf16_row(row.isa);
  Floats packed(static_cast<size_t>(product.packed_size(s.depth(), s.out_channels)));
  product.pack_b(d->weight.data(), 1, s.depth(), s.depth(), s.out_channels, packed.data());
  Floats scratch(static_cast<size_t>(conv2d_bf16_scratch(s)));
  return [d, run = row.run, packed = std::move(packed), scratch = std::move(scratch)](
             int64_t, int64_t) mutable {
    run(d->x.data(), packed.data(), d->bias.data(), d->result.data(), scratch.data(), d->shape);
  };
}

// Operands that bf16 holds, for rows that would round them.
template <class T>
void round_operands(Data<T>& d) {
  for (auto* values : {&d.x, &d.weight})
    for (T& v : *values) v = cast_detail::to_float(cast_detail::to_bfloat16(static_cast<float>(v)));
}

// The rows of one table on one image. Each result is a sum of at most `terms` products of normal
// samples, whose absolute values sum to less than terms + 40.
template <class Row, class Reference>
KernelCase product(const Conv2dShape& s, int64_t terms, int64_t result_size,
                   std::span<const Row> rows, const Reference& reference,
                   DType arithmetic = DType::f32) {
  const auto d = make_data<float>(s, result_size);
  const auto wide = make_data<double>(s, result_size);
  if (arithmetic == DType::bf16) round_operands(*d), round_operands(*wide);
  runner(wide, reference)(0, 1);
  const double values = static_cast<double>(d->x.size() + d->dy.size() + d->weight.size());
  KernelCase out = {{2 * static_cast<double>(s.out_size() * s.depth()), 4 * values,
                     static_cast<double>(result_size)},
                    1,
                    1,
                    {},
                    {},
                    arithmetic};
  const double n = static_cast<double>(terms);
  for (size_t i = 0; i < d->result.size(); ++i)
    out.oracle.expect(&d->result[i], wide->result[i], n * epsilon * (n + 40));
  out.contenders = contenders(rows, [&](const Row& row) { return runner(d, row); });
  return out;
}

KernelCase forward(const Conv2dShape& s) {
  return product(s, s.depth() + 1, s.out_size(), conv2d_forward_kernels<float>(),
                 conv2d_forward_kernels<double>().back());
}

KernelCase forward_bf16(const Conv2dShape& s) {
  return product(s, s.depth() + 1, s.out_size(), conv2d_bf16_kernels(),
                 conv2d_forward_kernels<double>().back(), DType::bf16);
}

KernelCase weight_gradient(const Conv2dShape& s) {
  return product(s, s.out_pixels(), s.depth() * s.out_channels,
                 conv2d_weight_gradient_kernels<float>(),
                 conv2d_weight_gradient_kernels<double>().back());
}

KernelCase input_gradient(const Conv2dShape& s) {
  return product(s, s.kernel_height * s.kernel_width * s.out_channels, s.in_size(),
                 conv2d_input_gradient_kernels<float>(),
                 conv2d_input_gradient_kernels<double>().back());
}

}  // namespace

// The two layers of the convolutional tokenizer, borders included.
void add_conv2d_cases(Cases& cases) {
  static constexpr Conv2dShape stem = {30, 30, 1, 64, 3, 3, 1}, second = {16, 16, 64, 128, 3, 3, 1};
  cases.push_back({"conv2d_forward/28x28x1-64", [] { return forward(stem); }});
  cases.push_back({"conv2d_weight_gradient/28x28x1-64", [] { return weight_gradient(stem); }});
  cases.push_back({"conv2d_forward/14x14x64-128", [] { return forward(second); }});
  cases.push_back({"conv2d_bf16/14x14x64-128", [] { return forward_bf16(second); }});
  cases.push_back({"conv2d_weight_gradient/14x14x64-128", [] { return weight_gradient(second); }});
  cases.push_back({"conv2d_input_gradient/14x14x64-128", [] { return input_gradient(second); }});
}

}  // namespace espalier::bench
