// Products by cuBLAS and cuBLASLt: on a GPU NVIDIA's own, over the emulated one the stand-ins of
// tests/cublas_standin.cpp.
#include "engine/cuda/cublas.h"

#include <dlfcn.h>

#include "engine/cuda/cublas_library.h"
#include "engine/cuda/cublas_lt.h"
#include "engine/cuda/cublas_session.h"
#include "engine/cuda/runtime.h"
#include "engine/gemm.h"
#include "engine/launch_graph.h"
#include "engine/ops/cast.h"
#include "engine/ops/linear.h"
#include "engine/ops/matmul.h"
#include "engine/ops/view.h"
#include "kernels/cast/cast.h"
#include "tests/device_test.h"
#include "tests/gemm_test.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

#if defined(ESPALIER_CUBLAS_STANDIN)
#include "tests/cublas_standin.h"
#endif

namespace espalier::test::cublas_tests {
namespace {

constexpr Device gpu{Device::Kind::cuda, 0};

#if defined(ESPALIER_CUBLAS_STANDIN)
cublas_standin::Record& record_of(const char* library) {
  const std::string path = std::string(ESPALIER_CUBLAS_STANDIN "/") + library + ".so.13";
  void* opened = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(opened != nullptr);
  return *reinterpret_cast<cublas_standin::RecordOf*>(dlsym(opened, "cublas_standin_record"))();
}
int products_by(const char* library) { return record_of(library).products; }
#else
// NVIDIA's library keeps no record.
int products_by(const char*) { return -1; }
#endif

// Calls f with multiply() on cuBLAS, where this machine has a GPU and the library.
void with_cublas(const std::function<void()>& f) {
  if (cuda_device_count() == 0) return;
#if defined(ESPALIER_CUBLAS_STANDIN)
  setenv("ESPALIER_CUBLAS", ESPALIER_CUBLAS_STANDIN, 1);
#endif
  set_gpu_gemm(GpuGemm::cublas, gpu);
  try {
    f();
  } catch (...) {
    set_gpu_gemm(GpuGemm::own);
    throw;
  }
  set_gpu_gemm(GpuGemm::own);
}

// `f` and how many products it asks cuBLAS for.
void check_count(int expected, const std::function<void()>& f) {
  const int before = products_by("libcublas");
  f();
  const int after = products_by("libcublas");
  if (before >= 0) CHECK(after - before == expected);
}

Tensor on_gpu(const std::vector<float>& values) {
  return Tensor::of(values, {static_cast<int64_t>(values.size())}).to(gpu);
}

// The operands of a product on the GPU, and multiply() there.
std::vector<double> product_on_gpu(const Operands& o, DType taken) {
  const Tensor A = on_gpu(o.A), B = on_gpu(o.B), C = on_gpu(o.C), bias = on_gpu(o.bias);
  const DeviceScope there(gpu, "product");
  MatrixProduct<float> p;
  p.M = o.shape.M, p.N = o.shape.N, p.K = o.shape.K;
  p.A = A.data<float>(), p.a_row_stride = o.a_row(), p.a_k_stride = o.a_k();
  p.B = B.data<float>(), p.b_k_stride = o.b_k(), p.b_n_stride = o.b_n();
  p.C = C.data<float>(), p.c_row_stride = o.shape.N;
  p.bias = o.form.bias ? bias.data<float>() : nullptr;
  p.accumulate = o.form.accumulate;
  p.precision = taken == DType::bf16  ? Precision::bf16
                : taken == DType::f16 ? Precision::f16
                                      : Precision::f32;
  multiply(p);
  return C.to_vector();
}

template <class Half>
Operands rounded(Operands o) {
  for (auto* values : {&o.A, &o.B})
    for (float& v : *values) v = cast_detail::to_float(cast_detail::convert<Half>(v));
  return o;
}

// Every sum is within K + 2 roundings of its terms' magnitudes, in whatever order they come; tensor
// cores drop what a sum cannot hold (kernels/gemm_mma/gemm_mma.h).
void check_sums(const std::vector<double>& found, const Operands& taken, double a_term) {
  const std::vector<double> expected = reference(taken), size = magnitude(taken);
  check_close(found, expected,
              [&](size_t i) { return static_cast<double>(taken.shape.K + 2) * a_term * size[i]; });
}

void check_product(const Operands& o, DType taken) {
  if (taken == DType::bf16)
    check_sums(product_on_gpu(o, taken), rounded<BFloat16>(o), std::ldexp(1, -22));
  else if (taken == DType::f16)
    check_sums(product_on_gpu(o, taken), rounded<Float16>(o), std::ldexp(1, -22));
  else
    check_sums(product_on_gpu(o, taken), o, epsilon);
}

ErrorKind kind_of(const std::function<void()>& f, const std::string& says) {
  try {
    f();
  } catch (const Error& error) {
    INFO(std::string(error.what()));
    CHECK(std::string(error.what()).find(says) != std::string::npos);
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::numeric;
}

}  // namespace

TEST_CASE("cuBLAS gives a GPU's products of odd shapes, transposed, accumulated and from a bias") {
  with_cublas([] {
    for (const DType taken : {DType::f32, DType::bf16, DType::f16}) {
      for (const GemmShape& s :
           {GemmShape{1, 1, 1}, {1, 5, 7}, {7, 5, 1}, {7, 1, 5}, {33, 40, 17}, {13, 57, 31}})
        for_each_form([&](const Form& form) {
          INFO("M ", s.M, " K ", s.K, " N ", s.N, " in ", std::string(dtype_name(taken)));
          const Operands o(s, form);
          check_count(form.bias && form.accumulate ? 0 : 1, [&] { check_product(o, taken); });
        });
    }
  });
}

TEST_CASE("what BLAS has no word for stays with our kernels on a GPU") {
  with_cublas([] {
    const Operands none({5, 0, 7}, {.bias = true});
    check_count(0, [&] { check_product(none, DType::f32); });
    // Neither stride of the left operand is 1.
    const Tensor wide = random_tensor({6, 10}, 1, DType::f32),
                 right = random_tensor({5, 4}, 2, DType::f32);
    const Tensor exact = matmul(contiguous(wide.as_strided({6, 5}, {10, 2}, 0)), right);
    check_count(0, [&] {
      const Tensor left = wide.to(gpu).as_strided({6, 5}, {10, 2}, 0);
      check_close(matmul(left, right.to(gpu)).to_vector(), exact.to_vector(),
                  [&](size_t) { return 5 * epsilon * 16; });
    });
    // All rows of the right operand are one.
    const Tensor row = random_tensor({1, 4}, 3, DType::f32),
                 repeated = row.as_strided({5, 4}, {0, 1}, 0);
    const Tensor narrow = random_tensor({6, 5}, 4, DType::f32),
                 sums = matmul(narrow, contiguous(repeated));
    check_count(0, [&] {
      const Tensor right_there = row.to(gpu).as_strided({5, 4}, {0, 1}, 0);
      check_close(matmul(narrow.to(gpu), right_there).to_vector(), sums.to_vector(),
                  [&](size_t) { return 5 * epsilon * 16; });
    });
    // f64 judges; its products are ours.
    const Tensor judge = to(right, DType::f64).to(gpu);
    check_count(0, [&] { matmul(judge, transpose(judge, 0, 1)); });
  });
}

TEST_CASE("cuBLAS takes batches of a GPU's products, and sums of them") {
  with_cublas([] {
    const auto product = [](const std::vector<Tensor>& x) { return matmul(x[0], x[1]); };
    // No term is larger than 16 times the largest sum: both are of normal numbers.
    check_device_agrees(product, {random_tensor({3, 4, 5}, 1), random_tensor({3, 5, 6}, 2)}, 6, 16);
    check_device_agrees(product, {random_tensor({2, 1, 3, 4}, 1), random_tensor({3, 4, 2}, 2)}, 36,
                        16);
    check_device_agrees(product, {random_tensor({2, 3, 2, 4}, 1), random_tensor({2, 1, 4, 3}, 2)},
                        36, 16);
    check_device_agrees(product, {random_tensor({2, 3, 2, 4}, 1), random_tensor({2, 3, 4, 5}, 2)},
                        6, 16);
    check_device_agrees(product, {random_tensor({3, 4}, 1), random_tensor({2, 4, 5}, 2)}, 36, 16);
    check_device_agrees([](const auto& x) { return matmul(x[0], transpose(x[1], -1, -2)); },
                        {random_tensor({3, 9, 8}, 1), random_tensor({3, 7, 8}, 2)}, 50, 16);
    const Tensor a = random_tensor({3, 4, 5}, 1, DType::f32).to(gpu),
                 b = random_tensor({3, 5, 6}, 2, DType::f32).to(gpu);
    check_count(1, [&] { matmul(a, b); });
    // Rounded operands lie as far apart as they did; each product rounds both, and sums are within
    // 5 2^-22 of terms that are no larger than 16.
    const PrecisionScope bf16(Precision::bf16);
    const std::vector<double> exact = matmul(a.to(Device::cpu()), b.to(Device::cpu())).to_vector();
    check_count(1, [&] {
      check_close(matmul(a, b).to_vector(), exact,
                  [](size_t) { return 5 * 16 * (std::ldexp(1, -22) + 2 * epsilon); });
    });
  });
}

TEST_CASE("a product by cuBLAS is refused while launches are recorded") {
  with_cublas([] {
    const Tensor a = random_tensor({3, 4}, 1, DType::f32).to(gpu),
                 b = random_tensor({4, 5}, 2, DType::f32).to(gpu);
    const auto record = [&] { const LaunchGraph graph(gpu, [&] { matmul(a, b); }); };
    check_count(0, [&] {
      CHECK(contains(refusal_of(record, ErrorKind::device), "a product by cuBLAS while"));
    });
    check_count(1, [&] { matmul(a, b); });
  });
}

TEST_CASE("linear and its gradients agree with the CPU's by cuBLAS on a GPU") {
  with_cublas([] {
    const auto with_bias = [](const std::vector<Tensor>& x) { return linear(x[0], x[1], x[2]); };
    check_device_agrees(
        with_bias,
        {random_tensor({2, 35, 33}, 1), random_tensor({65, 33}, 2), random_tensor({65}, 3)}, 71,
        16);
    const auto results = [&](Device device) {
      const PrecisionScope bf16(Precision::bf16);
      return output_and_gradients(with_bias, moved({random_tensor({7, 9}, 1, DType::f32),
                                                    random_tensor({5, 9}, 2, DType::f32),
                                                    random_tensor({5}, 3, DType::f32)},
                                                   device));
    };
    std::vector<Tensor> found;
    check_count(3, [&] { found = results(gpu); });
    const std::vector<Tensor> expected = results(Device::cpu());
    for (size_t i = 0; i < found.size(); ++i) {
      INFO("output 0, gradients from 1: ", i);
      check_close(found[i].to_vector(), expected[i].to_vector(),
                  [](size_t) { return 11 * std::ldexp(1, -21) * 16; });
    }
  });
}

TEST_CASE("cuBLASLt multiplies halves and whole numbers on a GPU") {
  with_cublas([] {
    const cuda::CublasLtShape shape{7, 12, 20, 24, 20, 16};
    for (const DType type : {DType::bf16, DType::f16, DType::s8}) {
      INFO("type: ", std::string(dtype_name(type)));
      const bool whole = type == DType::s8;
      const auto values = [&](int64_t rows, int64_t row, unsigned seed) {
        return to(random_tensor({rows, row}, seed, DType::f32, whole ? 40 : 1), type);
      };
      const Tensor A = values(7, 24, 1), B = values(12, 20, 2);
      const Tensor C = to(Tensor::full({7, 16}, -5), whole ? DType::s32 : DType::f32).to(gpu);
      const Tensor left = A.to(gpu), right = B.to(gpu);
      {
        const DeviceScope there(gpu);
        cuda::CublasLtProduct product(gpu, type, shape);
        product.run(left.bytes(), right.bytes(), C.bytes());
      }
      const auto a = to(A, DType::f32).to_vector(), b = to(B, DType::f32).to_vector(),
                 c = C.to_vector();
      for (size_t m = 0; m < 7; ++m)
        for (size_t n = 0; n < 16; ++n) {
          double sum = n < 12 ? 0 : -5, size = 0;
          for (size_t k = 0; n < 12 && k < 20; ++k) {
            sum += a[m * 24 + k] * b[n * 20 + k];
            size += std::abs(a[m * 24 + k] * b[n * 20 + k]);
          }
          INFO("m ", m, " n ", n);
          CHECK(std::abs(c[m * 16 + n] - sum) <= (whole ? 0 : 20 * std::ldexp(size, -22)));
        }
    }
  });
}

TEST_CASE("cuBLASLt's products of what it does not take are refused") {
  with_cublas([] {
    const auto made = [](DType type, const cuda::CublasLtShape& shape) {
      return [=] { cuda::CublasLtProduct(gpu, type, shape); };
    };
    CHECK(kind_of(made(DType::s8, {7, 12, 18, 20, 20, 12}), "multiples of 4") ==
          ErrorKind::argument);
    CHECK(kind_of(made(DType::s8, {7, 10, 20, 20, 20, 12}), "s8 [7, 20] by [10, 20]") ==
          ErrorKind::argument);
    CHECK(kind_of(made(DType::f64, {7, 12, 20, 20, 20, 12}), "bf16, f16 or s8") ==
          ErrorKind::argument);
  });
}

TEST_CASE("cuBLAS that is absent or incomplete is told in one error, and a GPU goes on without") {
  const TemporaryFolder folder;
  const auto open = [&] { const cuda::CublasLibrary library(folder.path()); };
  CHECK(kind_of(open, "no libcublas and libcublasLt of version 13 or 12 in " + folder.path()) ==
        ErrorKind::device);
  CHECK(kind_of(open, "--gemm own") == ErrorKind::device);
#if defined(ESPALIER_CUBLAS_STANDIN)
  const std::filesystem::path standin = ESPALIER_CUBLAS_STANDIN;
  std::filesystem::create_symlink(standin / "libcublasLt.so.13", folder.file("libcublasLt.so.13"));
  CHECK(kind_of(open, "libcublas.so.13") == ErrorKind::device);
  std::filesystem::create_symlink(standin / "libcublasLt.so.13", folder.file("libcublas.so.13"));
  CHECK(kind_of(open, "libcublas has no function cublasCreate_v2") == ErrorKind::device);
  CHECK(cuda::CublasLibrary(standin.string()).version() == "cuBLASLt 13.0.0");
#endif
  CHECK(gpu_gemm() == GpuGemm::own);
}

TEST_CASE("cuBLAS opens without a driver, and has no GPU there") {
  if (cuda_device_count() > 0) return;
  CHECK(kind_of([] { set_gpu_gemm(GpuGemm::cublas); }, "no GPU was found") == ErrorKind::device);
  CHECK(gpu_gemm() == GpuGemm::own);
  try {
    const cuda::CublasLibrary library("");
    CHECK(library.version().find("cuBLASLt 1") == 0);
    cublas_abi::Handle handle = nullptr;
    CHECK(kind_of([&] { library.check("cuBLAS on cuda:0", library.cublasCreate_v2(&handle)); },
                  "cuBLAS on cuda:0: cuBLAS says") == ErrorKind::device);
  } catch (const Error& error) {  // this machine has none
    CHECK(error.kind() == ErrorKind::device);
  }
}

#if defined(ESPALIER_CUBLAS_STANDIN)
TEST_CASE("a product that cuBLAS fails names the operation, and the next one works, on a GPU") {
  with_cublas([] {
    const Tensor x = random_tensor({3, 4}, 1, DType::f32).to(gpu);
    record_of("libcublas").fails = cublas_abi::not_supported;
    CHECK(kind_of([&] { linear(x, x); },
                  "linear of [3, 4] by [4, 3]: cuBLAS says the functionality requested is not "
                  "supported (15)") == ErrorKind::device);
    check_count(1, [&] { linear(x, x); });
    cuda::CublasLtProduct product(gpu, DType::bf16, {4, 4, 4, 4, 4, 4});
    const Tensor half = Tensor::zeros({4, 4}, DType::bf16).to(gpu),
                 sums = Tensor::zeros({4, 4}).to(gpu);
    record_of("libcublasLt").fails = cublas_abi::not_supported;
    const auto run = [&] {
      const DeviceScope there(gpu);
      product.run(half.bytes(), half.bytes(), sums.bytes());
    };
    CHECK(kind_of(run, "product of bf16 [4, 4] by [4, 4] transposed: cuBLAS says") ==
          ErrorKind::device);
    run();
    CHECK(sums.to_vector() == std::vector<double>(16, 0));
  });
}
#endif

}  // namespace espalier::test::cublas_tests
