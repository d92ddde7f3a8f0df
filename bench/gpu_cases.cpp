// What the kernel benchmark of a GPU runs.
#include <cmath>

#include "bench/gpu_kernels.h"
#include "engine/autograd.h"
#include "engine/cuda/cublas_lt.h"
#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/gemm.h"
#include "engine/ops/attention.h"
#include "engine/ops/cast.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/gelu.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/softmax.h"
#include "engine/random.h"
#include "kernels/gemm_mma/gemm_mma.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace espalier::bench {
namespace {

using Made = std::pair<Work, std::vector<GpuContender>>;

struct ProductShape {
  int64_t M, K, N;
  std::string str() const {
    return std::to_string(M) + "x" + std::to_string(K) + "x" + std::to_string(N);
  }
};

Tensor sample(const Shape& shape, uint64_t seed, double deviation = 1) {
  Generator generator(seed);
  return espalier::normal(shape, generator, deviation);
}

// Operands of C[m, n] = sum_k A[m, k] B[n, k] on a GPU, and what some rows of C must be.
class GpuProduct {
 public:
  // Operands lie there as `stored`, and are multiplied as `taken`.
  GpuProduct(Device device, const ProductShape& shape, DType stored, DType taken)
      : shape_(shape), device_(device), whole_(taken == DType::s8), taken_(taken) {
    const double deviation = whole_ ? 40 : 1;
    const Tensor a = sample({shape.M, shape.K}, 1, deviation),
                 b = sample({shape.N, shape.K}, 2, deviation);
    A = to(a, stored).to(device), B = to(b, stored).to(device);
    C = Tensor::empty({shape.M, shape.N}, whole_ ? DType::s32 : DType::f32, device);
    const auto values = [&](const Tensor& x) { return to(to(x, taken), DType::f32).to_vector(); };
    expect(values(a), values(b));
  }

  double error() const {
    const std::vector<double> found = C.to_vector();
    double worst = 0;
    for (const Expected& e : expected_) {
      const double off = std::abs(found[e.at] - e.value);
      worst = off <= e.bound ? std::max(worst, e.bound > 0 ? off / e.bound : 0) : HUGE_VAL;
    }
    spoil();
    return worst;
  }
  // So that whoever writes nothing is found out.
  void spoil() const { C.fill_(-12345); }

  Work work() const {
    const auto m = static_cast<double>(shape_.M), k = static_cast<double>(shape_.K),
               n = static_cast<double>(shape_.N);
    const auto size = static_cast<double>(dtype_size(A.dtype()));
    return {2 * m * k * n, size * (m * k + n * k) + 4 * m * n, m * n};
  }
  const ProductShape& shape() const { return shape_; }

  Tensor A, B, C;

 private:
  struct Expected {
    size_t at;
    double value, bound;
  };

  // Up to 16 rows, spread evenly. A sum in fp32 of K exact products is within K 2^-22 of their
  // magnitudes on tensor cores (kernels/gemm_mma/gemm_mma.h); one of K roundings within K epsilon.
  void expect(const std::vector<double>& a, const std::vector<double>& b) {
    const auto K = static_cast<size_t>(shape_.K), N = static_cast<size_t>(shape_.N);
    const double unit = whole_ ? 0 : taken_ == DType::f32 ? epsilon : 0x1p-22;
    for (int64_t m = 0; m < shape_.M; m += (shape_.M + 15) / 16)
      for (size_t n = 0; n < N; ++n) {
        const double* row = a.data() + static_cast<size_t>(m) * K;
        const double* column = b.data() + n * K;
        double sum = 0, magnitude = 0;
        for (size_t k = 0; k < K; ++k)
          sum += row[k] * column[k], magnitude += std::abs(row[k] * column[k]);
        expected_.push_back(
            {static_cast<size_t>(m) * N + n, sum, static_cast<double>(K) * unit * magnitude});
      }
  }

  ProductShape shape_;
  Device device_;
  bool whole_;
  DType taken_;
  std::vector<Expected> expected_{};
};

// What linear calls, on our kernels and on cuBLAS.
Made products_of_layers(const GpuFacts& facts, const ProductShape& s, Precision precision) {
  const auto p = std::make_shared<GpuProduct>(
      facts.device, s, DType::f32, precision == Precision::bf16 ? DType::bf16 : DType::f32);
  std::vector<GpuContender> out;
  for (const GemmChoice& choice : gemm_choices(facts))
    out.push_back({choice.name,
                   [p, precision, choice, device = facts.device] {
                     const PrecisionScope scope(precision);
                     const DeviceScope there(device, "multiply");
                     MatrixProduct<float> product;
                     product.M = p->shape().M, product.N = p->shape().N, product.K = p->shape().K;
                     product.A = p->A.data<float>(), product.a_row_stride = product.K,
                     product.a_k_stride = 1;
                     product.B = p->B.data<float>(), product.b_k_stride = 1,
                     product.b_n_stride = product.K;
                     product.C = p->C.data<float>(), product.c_row_stride = product.N;
                     product.precision = precision;
                     run_with_gemm(choice.gemm, device, [&] { multiply(product); });
                     check_launches("multiply");
                   },
                   [p] { return p->error(); }});
  p->spoil();
  return {p->work(), out};
}

template <class Element>
void run_mma(const GpuProduct& p) {
  cuda::GemmMma<Element> g;
  g.M = p.shape().M, g.N = p.shape().N, g.K = p.shape().K;
  g.A = p.A.data<Element>(), g.a_row_stride = g.K;
  g.B = p.B.data<Element>(), g.b_row_stride = g.K;
  g.out.C = p.C.data<float>(), g.out.c_row_stride = g.N;
  cuda::gemm_mma(g);
  check_launches("gemm_mma");
}

// B is packed beforehand, as a layer's weights are.
auto s8_run(const std::shared_ptr<GpuProduct>& p, Device device) {
  const ProductShape& s = p->shape();
  const DeviceScope there(device);
  const Tensor packed = Tensor::empty({cuda::gemm_s8_packed_size(s.K, s.N)}, DType::s8);
  cuda::gemm_s8_pack_b(p->B.data<int8_t>(), 1, s.K, s.K, s.N, packed.bytes());
  return [p, packed](const ProductShape& shape) {
    GemmS8 g;
    g.M = shape.M, g.N = shape.N, g.K = shape.K;
    g.A = p->A.data<int8_t>(), g.a_row_stride = g.K;
    g.packed_b = packed.bytes();
    g.C = p->C.data<int32_t>(), g.c_row_stride = g.N;
    cuda::gemm_s8_run(g);
    check_launches("gemm_s8");
  };
}

// On tensor cores, by our kernels and by cuBLASLt.
Made products_of_cores(const GpuFacts& facts, const ProductShape& s, DType type) {
  const auto p = std::make_shared<GpuProduct>(facts.device, s, type, type);
  std::vector<GpuContender> out;
  const auto add = [&](const char* name, const std::function<void()>& run) {
    out.push_back({name,
                   [run, device = facts.device] {
                     const DeviceScope there(device, "product");
                     run();
                   },
                   [p] { return p->error(); }});
  };
  if (type == DType::s8)
    add("own", [p, run = s8_run(p, facts.device)] { run(p->shape()); });
  else if (type == DType::bf16)
    add("own", [p] { run_mma<BFloat16>(*p); });
  else
    add("own", [p] { run_mma<Float16>(*p); });
  if (!facts.cublas.empty()) {
    const auto library = std::make_shared<cuda::CublasLtProduct>(
        facts.device, type, cuda::CublasLtShape{s.M, s.N, s.K, s.K, s.K, s.N});
    add("cuBLASLt", [p, library] { library->run(p->A.bytes(), p->B.bytes(), p->C.bytes()); });
  }
  p->spoil();
  return {p->work(), out};
}

// An operation in f32 on the GPU against itself in f64 on the CPU. Both sum up to `length` terms in
// an order of their own and round each a few times.
Made operation(const GpuFacts& facts, const std::vector<Shape>& shapes, double length, double flops,
               const std::function<Tensor(const std::vector<Tensor>&)>& f) {
  struct Operands {
    std::vector<Tensor> there, exact;
    Tensor result{};
    std::vector<double> expected{};
    double largest = 0;
  };
  const auto d = std::make_shared<Operands>();
  double elements = 0;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const Tensor x = sample(shapes[i], i + 1);
    d->there.push_back(x.to(facts.device));
    d->exact.push_back(to(x, DType::f64));
    elements += static_cast<double>(x.numel());
  }
  const NoGradGuard off;
  const Tensor exact = f(d->exact);
  d->expected = exact.to_vector();
  for (const double value : d->expected) d->largest = std::max(d->largest, std::abs(value));
  const auto results = static_cast<double>(exact.numel());
  return {{flops * results, 4 * (elements + results), results},
          {{"own",
            [d, f] {
              const NoGradGuard quiet;
              d->result = f(d->there);
            },
            [d, length] {
              const std::vector<double> found = d->result.to_vector();
              double worst = 0;
              for (size_t i = 0; i < found.size(); ++i) {
                const double off_by = std::abs(found[i] - d->expected[i]);
                const double bound = (length + 16) * epsilon * d->largest;
                worst = off_by <= bound ? std::max(worst, off_by / bound) : HUGE_VAL;
              }
              return worst;
            }}}};
}

void add_operations(std::vector<GpuCase>& cases, int64_t images, int64_t tokens, int64_t width) {
  constexpr int64_t heads = 4;
  const std::string rows = std::to_string(images * tokens) + "x";
  const auto add = [&](const std::string& name, const std::vector<Shape>& shapes, double length,
                       double flops, const std::function<Tensor(const std::vector<Tensor>&)>& f) {
    cases.push_back(
        {name, [=](const GpuFacts& facts) { return operation(facts, shapes, length, flops, f); }});
  };
  const auto real = [](int64_t n) { return static_cast<double>(n); };
  add("softmax/" + std::to_string(images * heads * tokens) + "x" + std::to_string(tokens),
      {{images * heads * tokens, tokens}}, real(tokens), 5,
      [](const auto& x) { return softmax(x[0]); });
  // A row's deviation divides what its sums are off by; it is about 1.
  add("layer_norm/" + rows + std::to_string(width), {{images * tokens, width}, {width}, {width}},
      real(4 * width), 8, [](const auto& x) { return layer_norm(x[0], x[1], x[2]); });
  add("gelu/" + rows + std::to_string(4 * width), {{images * tokens, 4 * width}}, 16, 16,
      [](const auto& x) { return gelu(x[0]); });
  add("attention/" + std::to_string(images) + "x" + std::to_string(tokens) + "x" +
          std::to_string(width),
      {{images, tokens, 3 * width}}, real(2 * tokens + 2 * width / heads), real(4 * tokens),
      [](const auto& x) { return attention(x[0], heads); });
  add("conv2d/" + std::to_string(images) + "x28x28x1", {{images, 28, 28, 1}, {64, 3, 3, 1}, {64}},
      10, 18, [](const auto& x) { return conv2d(x[0], x[1], x[2], 1, 1); });
}

}  // namespace

std::vector<GpuCase> gpu_cases(const GpuFacts& facts) {
  std::vector<GpuCase> cases;
  std::vector<ProductShape> shapes = {
      {50, 128, 384}, {12800, 128, 384}, {12800, 128, 448}, {12800, 448, 128}, {4096, 4096, 4096}};
  if (facts.emulated) shapes = {{33, 40, 20}, {64, 64, 128}};
  for (const ProductShape& s : shapes) {
    for (const auto& [name, precision] :
         {std::pair{"gemm_f32/", Precision::f32}, std::pair{"gemm_bf16/", Precision::bf16}})
      cases.push_back({name + s.str(), [s, precision = precision](const GpuFacts& on) {
                         return products_of_layers(on, s, precision);
                       }});
    for (const DType type : {DType::bf16, DType::f16, DType::s8})
      cases.push_back({std::string("gemm_mma_") + dtype_name(type) + "/" + s.str(),
                       [s, type](const GpuFacts& on) { return products_of_cores(on, s, type); }});
  }
  if (facts.emulated)
    add_operations(cases, 2, 10, 16);
  else
    add_operations(cases, 256, 50, 128);
  return cases;
}

}  // namespace espalier::bench
