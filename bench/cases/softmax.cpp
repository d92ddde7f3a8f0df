#include "kernels/softmax/softmax.h"

#include "bench/cases/case.h"
#include "engine/parallel.h"

namespace espalier::bench {
namespace {

struct Data {
  int64_t rows, width;
  Floats x, y, dy, dx;
};

std::shared_ptr<Data> make_data(int64_t rows, int64_t width) {
  auto d = std::make_shared<Data>(
      Data{rows, width, normal(rows * width, 1), {}, normal(rows * width, 2), {}});
  d->y.resize(d->x.size());
  d->dx.resize(d->x.size());
  return d;
}

// exp() is 2 ulp, its argument one rounding of at most 16 here; the sum adds `width` roundings.
double relative_bound(int64_t width) { return static_cast<double>(width + 20) * epsilon; }

KernelCase forward(int64_t rows, int64_t width) {
  const auto d = make_data(rows, width);
  const double count = static_cast<double>(rows * width);
  KernelCase out = {{5 * count, 8 * count, count}, rows, grain_for(width), {}, {}};
  std::vector<double> expected = widened(d->x);
  softmax_forward_kernels<double>().back().run(expected.data(), expected.data(), rows, width);
  for (size_t i = 0; i < expected.size(); ++i)
    out.oracle.expect(&d->y[i], expected[i], relative_bound(width) * expected[i]);
  out.contenders = contenders(softmax_forward_kernels<float>(), [&](const auto& row) {
    return [d, run = row.run](int64_t begin, int64_t end) {
      const int64_t first = begin * d->width;
      run(d->x.data() + first, d->y.data() + first, end - begin, d->width);
    };
  });
  return out;
}

KernelCase backward(int64_t rows, int64_t width) {
  const auto d = make_data(rows, width);
  softmax_forward_kernels<float>().back().run(d->x.data(), d->y.data(), rows, width);
  const double count = static_cast<double>(rows * width);
  KernelCase out = {{4 * count, 12 * count, count}, rows, grain_for(width), {}, {}};
  const std::vector<double> y = widened(d->y), dy = widened(d->dy);
  std::vector<double> expected(y.size());
  softmax_backward_kernels<double>().back().run(y.data(), dy.data(), expected.data(), rows, width);
  for (size_t i = 0; i < y.size(); ++i)  // |dy| stays under 8 and so does its weighted mean
    out.oracle.expect(&d->dx[i], expected[i], relative_bound(width) * y[i] * 16);
  out.contenders = contenders(softmax_backward_kernels<float>(), [&](const auto& row) {
    return [d, run = row.run](int64_t begin, int64_t end) {
      const int64_t first = begin * d->width;
      run(d->y.data() + first, d->dy.data() + first, d->dx.data() + first, end - begin, d->width);
    };
  });
  return out;
}

}  // namespace

void add_softmax_cases(Cases& cases) {
  constexpr int64_t rows = 4 * 49, width = 49;  // one image, four heads
  cases.push_back({"softmax_forward/196x49", [] { return forward(rows, width); }});
  cases.push_back({"softmax_backward/196x49", [] { return backward(rows, width); }});
}

}  // namespace espalier::bench
