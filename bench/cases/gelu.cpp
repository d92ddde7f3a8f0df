#include "kernels/gelu/gelu.h"

#include "bench/cases/case.h"
#include "engine/parallel.h"

namespace espalier::bench {
namespace {

struct Data {
  Floats x, y, slope;
};

std::shared_ptr<Data> make_data(int64_t count) {
  auto d = std::make_shared<Data>(Data{normal(count, 1), {}, normal(count, 2)});
  d->y.resize(d->x.size());
  return d;
}

// Relative to the exact value: the scalar row's few roundings, some of them times x^2 / 2 < 20.
constexpr double bound = 24 * epsilon;

KernelCase forward(GeluKind kind, int64_t count) {
  const auto d = make_data(count);
  const double n = static_cast<double>(count);
  // Counted as the erf form is written: two polynomials, an exponential and a division.
  KernelCase out = {{30 * n, 8 * n, n}, count, grain_for(1), {}, {}};
  std::vector<double> expected = widened(d->x);
  gelu_forward_kernels<double>().back().run(kind, expected.data(), expected.data(), count);
  for (size_t i = 0; i < expected.size(); ++i)
    out.oracle.expect(&d->y[i], expected[i], bound * std::abs(expected[i]) + 1e-37);
  out.contenders = contenders(gelu_forward_kernels<float>(), [&](const auto& row) {
    return [d, kind, run = row.run](int64_t begin, int64_t end) {
      run(kind, d->x.data() + begin, d->y.data() + begin, end - begin);
    };
  });
  return out;
}

KernelCase backward(int64_t count) {
  const auto d = make_data(count);
  const double n = static_cast<double>(count);
  KernelCase out = {{n, 12 * n, n}, count, grain_for(1), {}, {}};
  for (size_t i = 0; i < d->x.size(); ++i) {
    const double exact = static_cast<double>(d->x[i]) * static_cast<double>(d->slope[i]);
    out.oracle.expect(&d->y[i], exact, epsilon * std::abs(exact) + 1e-37);
  }
  out.contenders = contenders(gelu_backward_kernels<float>(), [&](const auto& row) {
    return [d, run = row.run](int64_t begin, int64_t end) {
      run(d->slope.data() + begin, d->x.data() + begin, d->y.data() + begin, end - begin);
    };
  });
  return out;
}

}  // namespace

void add_gelu_cases(Cases& cases) {
  constexpr int64_t image = 49 * 512, batch = 256 * image;
  cases.push_back({"gelu_erf/49x512", [] { return forward(GeluKind::erf, image); }});
  cases.push_back({"gelu_tanh/49x512", [] { return forward(GeluKind::tanh, image); }});
  cases.push_back({"gelu_erf/12544x512", [] { return forward(GeluKind::erf, batch); }});
  cases.push_back({"gelu_backward/49x512", [] { return backward(image); }});
}

}  // namespace espalier::bench
