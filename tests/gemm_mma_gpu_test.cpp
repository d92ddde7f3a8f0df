// Products on a GPU's tensor cores: kernels/gemm_mma/gemm_mma.h.
#include "kernels/gemm_mma/gemm_mma.h"

#include <limits>

#include "engine/ops/cast.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/linear.h"
#include "engine/ops/matmul.h"
#include "engine/ops/view.h"
#include "engine/precision.h"
#include "kernels/cast/cast.h"
#include "tests/device_test.h"
#include "tests/gemm_test.h"
#include "tests/product_test.h"

namespace espalier::test::gemm_mma_tests {
namespace {

// Elements of type E, and the values that tensor cores take them for.
template <class E>
struct Elements {
  std::vector<E> raw;
  std::vector<double> values;

  explicit Elements(const std::vector<float>& from) {
    for (const float v : from) {
      raw.push_back(cast_detail::convert<E>(v));
      if constexpr (std::is_same_v<E, float>)
        values.push_back(cast_detail::float_of((cast_detail::bits_of(v) + 0x1000u) & 0xffffe000u));
      else
        values.push_back(static_cast<double>(cast_detail::to_float(raw.back())));
    }
  }
};

struct Epilogue {
  bool bias = false, gelu = false, residual = false, in_place = false;
};

double gelu_of(double x) { return x * 0.5 * (1 + std::erf(x * std::sqrt(0.5))); }

template <class E>
class Product {
 public:
  Product(GemmShape s, int64_t padding, int64_t offset)
      : shape_(s),
        row_(s.K + padding),
        offset_(offset),
        a_(normal(s.M * row_ + offset, 1)),
        b_(normal(s.N * row_ + offset, 2)),
        bias_(normal(s.N, 3)),
        residual_(normal(s.M * s.N, 4)) {}

  void check(const Epilogue& e) const {
    INFO("bias ", e.bias, " gelu ", e.gelu, " residual ", e.residual, " in place ", e.in_place);
    const auto [M, K, N] = shape_;
    std::vector<float> C = e.in_place ? residual_ : std::vector<float>(residual_.size(), 99.0f);
    cuda::GemmMma<E> g;
    g.M = M, g.N = N, g.K = K;
    g.A = a_.raw.data() + offset_, g.a_row_stride = row_;
    g.B = b_.raw.data() + offset_, g.b_row_stride = row_;
    g.out = {C.data(), N, e.bias ? bias_.data() : nullptr,
             e.in_place   ? C.data()
             : e.residual ? residual_.data()
                          : nullptr,
             e.gelu};
    cuda::gemm_mma(g);
    CHECK_NOTHROW(check_launches("gemm_mma"));
    std::vector<double> expected, bounds;
    expected.reserve(C.size()), bounds.reserve(C.size());
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < N; ++n) {
        const double added = e.residual || e.in_place ? value(residual_, m * N + n) : 0;
        double sum = e.bias ? value(bias_, n) : 0, size = std::abs(sum);
        for (int64_t k = 0; k < K; ++k) {
          const double product =
              value(a_.values, offset_ + m * row_ + k) * value(b_.values, offset_ + n * row_ + k);
          sum += product, size += std::abs(product);
        }
        expected.push_back(added + (e.gelu ? gelu_of(sum) : sum));
        // The sum's bound of the contract; bias, GELU (of slope < 1.2) and residual round too.
        bounds.push_back(1.2 * static_cast<double>(K) * std::ldexp(size, -22) +
                         8 * epsilon * (size + std::abs(added)));
      }
    check_close(C, expected, [&](size_t i) { return bounds[i]; });
  }

 private:
  template <class Values>
  static double value(const Values& values, int64_t i) {
    return static_cast<double>(values[static_cast<size_t>(i)]);
  }

  GemmShape shape_;
  int64_t row_, offset_;
  Elements<E> a_, b_;
  std::vector<float> bias_, residual_;
};

template <class E>
void check_shapes() {
  // Rows on boundaries of 16 bytes, off them, and starting off them.
  constexpr struct { int64_t padding, offset; } places[] = {{0, 0}, {8, 0}, {1, 0}, {0, 1}};
  for (const auto& at : places)
    for (const GemmShape& s : {GemmShape{1, 1, 1},
                               {16, 64, 8},
                               {33, 40, 17},
                               {65, 200, 70},
                               {130, 136, 129},
                               {5, 0, 7}}) {
      INFO("M ", s.M, " K ", s.K, " N ", s.N, " padding ", at.padding, " offset ", at.offset);
      Product<E>(s, at.padding, at.offset).check({});
    }
  const Product<E> product({40, 72, 24}, 0, 0);
  product.check({.bias = true});
  product.check({.bias = true, .gelu = true});
  product.check({.bias = true, .residual = true});
  product.check({.gelu = true, .in_place = true});
}

void on_gpu(const std::function<void()>& f) {
  if (!gpu_reads_host_memory()) return;
  const DeviceScope device(Device::cuda());
  cuda::context.waits = true;
  f();
}

}  // namespace

TEST_CASE("products on a GPU's tensor cores are those of double, in bf16") {
  on_gpu(check_shapes<BFloat16>);
}
TEST_CASE("products on a GPU's tensor cores are those of double, in f16") {
  on_gpu(check_shapes<Float16>);
}
TEST_CASE("products on a GPU's tensor cores are those of double, in tf32") {
  on_gpu(check_shapes<float>);
}

TEST_CASE("behind a product on a GPU's tensor cores GELU has its limits at infinity") {
  on_gpu([] {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> bias = {-infinity, infinity, 0};
    std::vector<float> C(bias.size(), 99.0f);
    cuda::GemmMma<float> g;
    g.M = 1, g.N = 3, g.K = 0;
    g.A = g.B = bias.data(), g.a_row_stride = g.b_row_stride = 4;  // of which nothing is read
    g.out = {C.data(), g.N, bias.data(), nullptr, true};
    cuda::gemm_mma(g);
    CHECK_NOTHROW(check_launches("gemm_mma"));
    CHECK(C == std::vector<float>{0, infinity, 0});
  });
}

TEST_CASE("a GPU's tensor cores take large tiles where there are many") {
  on_gpu([] {
    constexpr int64_t products = 129, M = 3, N = 5, K = 16;
    const Elements<BFloat16> a(normal(products * M * K, 1)), b(normal(N * K, 2));
    std::vector<float> C(products * M * N);
    cuda::GemmMma<BFloat16> g;
    g.M = M, g.N = N, g.K = K;
    g.A = a.raw.data(), g.a_row_stride = K;
    g.B = b.raw.data(), g.b_row_stride = K;
    g.products = {1, {{products, M * K, 0, M * N}}};
    g.out = {C.data(), N};
    cuda::gemm_mma(g);
    CHECK_NOTHROW(check_launches("gemm_mma"));
    for (int64_t i = 0; i < products * M; ++i)
      for (int64_t n = 0; n < N; ++n) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < K; ++k) {
          const double product =
              a.values[static_cast<size_t>(i * K + k)] * b.values[static_cast<size_t>(n * K + k)];
          sum += product, size += std::abs(product);
        }
        const double got = static_cast<double>(C[static_cast<size_t>(i * N + n)]);
        CHECK(std::abs(got - sum) <= K * std::ldexp(size, -22));
      }
  });
}

// Where there are many tiles of 128 x 256; matrices and slices end within theirs.
template <class E>
void check_large() {
  const Product<E> product({1000, 72, 2000}, 8, 0);
  product.check({.bias = true, .residual = true});
}
TEST_CASE("large products on a GPU's tensor cores are those of double") {
  on_gpu(check_large<BFloat16>);
  on_gpu(check_large<Float16>);
}

TEST_CASE("linear and matmul in bf16 on a GPU agree with the CPU") {
  if (cuda_device_count() == 0) return;
  const auto agree = [](const Function& f, const std::vector<Tensor>& inputs, int64_t length) {
    // A GPU rounds the same operands; sums of the same products are within the contract's bound of
    // each other, that of the CPU's scalar row within 2 epsilon a term.
    const PrecisionScope bf16(Precision::bf16);
    const auto expected = output_and_gradients(f, inputs);
    const auto results = output_and_gradients(f, moved(inputs, Device::cuda()));
    for (size_t i = 0; i < results.size(); ++i) {
      INFO("output 0, gradients from 1: ", i);
      const auto reference = expected[i].to_vector();
      double largest = 0;
      for (const double v : reference) largest = std::max(largest, std::abs(v));
      // No term is larger than 16 times the largest sum: both are of normal numbers.
      check_close(results[i].to_vector(), reference, [&](size_t) {
        return static_cast<double>(length) * (std::ldexp(1, -22) + 2 * epsilon) * 16 * largest;
      });
    }
  };
  constexpr DType f32 = DType::f32;
  agree([](const auto& x) { return linear(x[0], x[1], x[2]); },
        {random_tensor({70, 33}, 1, f32), random_tensor({66, 33}, 2, f32),
         random_tensor({66}, 3, f32)},
        70);
  agree([](const auto& x) { return matmul(x[0], transpose(x[1], -1, -2)); },
        {random_tensor({3, 20, 8}, 1, f32), random_tensor({3, 30, 8}, 2, f32)}, 30);
  agree([](const auto& x) { return matmul(x[0], x[1]); },
        {random_tensor({4, 5, 9}, 1, f32), random_tensor({9, 7}, 2, f32)}, 20);
}

// Values that are in `half` already lose nothing on the way: their products are those of double.
// And other values are rounded there as by a conversion before.
void check_rounding(Precision precision, DType half) {
  const auto convert = [&](const Tensor& x) { return to(to(x, half), DType::f32); };
  const auto check = [&](const Function& f, const std::vector<Tensor>& given, int64_t terms) {
    const PrecisionScope scope(precision);
    std::vector<Tensor> rounded, exact, sizes;
    for (const Tensor& x : given) {
      rounded.push_back(convert(x));
      exact.push_back(Tensor::of(rounded.back().to_vector(), x.shape()));
      sizes.push_back(absolute(exact.back()));
    }
    const Tensor seed = convert(random_tensor(f(exact).shape(), 97, DType::f32));
    const Tensor exact_seed = Tensor::of(seed.to_vector(), seed.shape());
    const auto expected = with_seed(f, exact, exact_seed);
    const auto size = with_seed(f, sizes, absolute(exact_seed));
    const Tensor seed_there = seed.to(Device::cuda());
    const auto found = with_seed(f, moved(rounded, Device::cuda()), seed_there);
    const auto on_the_way = with_seed(f, moved(given, Device::cuda()), seed_there);
    for (size_t i = 0; i < found.size(); ++i) {
      INFO("output 0, gradients from 1: ", i);
      const auto bound = size[i].to_vector();
      // The contract's bound of a sum; the bias, and a sum that goes on, round once more.
      check_close(found[i].to_vector(), expected[i].to_vector(), [&](size_t j) {
        return static_cast<double>(terms) * std::ldexp(bound[j], -22) + 4 * epsilon * bound[j];
      });
      // A bias is no operand of a product, but here there is none.
      CHECK(on_the_way[i].to_vector() == found[i].to_vector());
    }
  };
  constexpr DType f32 = DType::f32;
  check([](const auto& x) { return linear(x[0], x[1]); },
        {random_tensor({70, 33}, 1, f32), random_tensor({66, 33}, 2, f32)}, 70);
  check([](const auto& x) { return matmul(x[0], x[1]); },
        {random_tensor({4, 5, 9}, 1, f32), random_tensor({9, 7}, 2, f32)}, 20);
  check([](const auto& x) { return conv2d(x[0], x[1], Tensor(), 1, 1); },
        {random_tensor({3, 6, 5, 4}, 1, f32), random_tensor({7, 3, 3, 4}, 2, f32)}, 90);
}

TEST_CASE("products on a GPU round their operands on the way, to bf16 and to f16") {
  if (cuda_device_count() == 0) return;
  check_rounding(Precision::bf16, DType::bf16);
  check_rounding(Precision::f16, DType::f16);
}

TEST_CASE("what f16 cannot hold is infinite in products on a GPU") {
  if (cuda_device_count() == 0) return;
  const PrecisionScope scope(Precision::f16);
  const Device gpu = Device::cuda();
  const Tensor one = Tensor::full({1, 1}, 1).to(gpu);
  CHECK(linear(Tensor::full({1, 1}, 65504).to(gpu), one).item() == 65504);
  CHECK(std::isinf(linear(Tensor::full({1, 1}, 65536).to(gpu), one).item()));
  CHECK(linear(Tensor::full({1, 1}, 0x1p-24).to(gpu), one).item() == 0x1p-24);
  CHECK(linear(Tensor::full({1, 1}, 0x1p-26).to(gpu), one).item() == 0);
}

}  // namespace espalier::test::gemm_mma_tests
