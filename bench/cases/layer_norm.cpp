#include "kernels/layer_norm/layer_norm.h"

#include "bench/cases/case.h"
#include "engine/parallel.h"

namespace espalier::bench {
namespace {

constexpr float eps = 1e-5f;

struct Data {
  int64_t width;
  Floats x, gamma, beta, y, mean, rstd, dy, dx;
};

std::shared_ptr<Data> make_data(int64_t rows, int64_t width) {
  auto d = std::make_shared<Data>(Data{width,
                                       normal(rows * width, 1),
                                       normal(width, 2),
                                       normal(width, 3),
                                       {},
                                       {},
                                       {},
                                       normal(rows * width, 4),
                                       {}});
  d->y.resize(d->x.size());
  d->dx.resize(d->x.size());
  d->mean.resize(static_cast<size_t>(rows));
  d->rstd.resize(static_cast<size_t>(rows));
  return d;
}

// Sums of `width` terms of size about 1; no value, gamma or gradient exceeds 8.
double bound(int64_t width) { return static_cast<double>(width + 8) * epsilon * 64; }

KernelCase forward(int64_t rows, int64_t width) {
  const auto d = make_data(rows, width);
  const double n = static_cast<double>(rows * width);
  KernelCase out = {{8 * n, 8 * n, n}, rows, grain_for(width), {}, {}};
  const auto x = widened(d->x), gamma = widened(d->gamma), beta = widened(d->beta);
  std::vector<double> expected(x.size());
  layer_norm_forward_kernels<double>().back().run(x.data(), gamma.data(), beta.data(),
                                                  expected.data(), nullptr, nullptr, rows, width,
                                                  static_cast<double>(eps));
  for (size_t i = 0; i < x.size(); ++i) out.oracle.expect(&d->y[i], expected[i], bound(width));
  out.contenders = contenders(layer_norm_forward_kernels<float>(), [&](const auto& row) {
    return [d, run = row.run](int64_t begin, int64_t end) {
      const int64_t first = begin * d->width;
      run(d->x.data() + first, d->gamma.data(), d->beta.data(), d->y.data() + first,
          d->mean.data() + begin, d->rstd.data() + begin, end - begin, d->width, eps);
    };
  });
  return out;
}

KernelCase backward(int64_t rows, int64_t width) {
  const auto d = make_data(rows, width);
  layer_norm_forward_kernels<float>().back().run(d->x.data(), d->gamma.data(), d->beta.data(),
                                                 d->y.data(), d->mean.data(), d->rstd.data(), rows,
                                                 width, eps);
  const double n = static_cast<double>(rows * width);
  KernelCase out = {{12 * n, 12 * n, n}, rows, grain_for(width), {}, {}};
  const auto x = widened(d->x), gamma = widened(d->gamma), dy = widened(d->dy);
  const auto mean = widened(d->mean), rstd = widened(d->rstd);
  std::vector<double> expected(x.size());
  layer_norm_backward_kernels<double>().back().run(x.data(), gamma.data(), mean.data(), rstd.data(),
                                                   dy.data(), expected.data(), nullptr, nullptr,
                                                   rows, width);
  for (size_t i = 0; i < x.size(); ++i) out.oracle.expect(&d->dx[i], expected[i], bound(width));
  out.contenders = contenders(layer_norm_backward_kernels<float>(), [&](const auto& row) {
    return [d, run = row.run](int64_t begin, int64_t end) {
      const int64_t first = begin * d->width;
      run(d->x.data() + first, d->gamma.data(), d->mean.data() + begin, d->rstd.data() + begin,
          d->dy.data() + first, d->dx.data() + first, nullptr, nullptr, end - begin, d->width);
    };
  });
  return out;
}

}  // namespace

void add_layer_norm_cases(Cases& cases) {
  cases.push_back({"layer_norm_forward/49x128", [] { return forward(49, 128); }});
  cases.push_back({"layer_norm_forward/12544x128", [] { return forward(12544, 128); }});
  cases.push_back({"layer_norm_backward/49x128", [] { return backward(49, 128); }});
}

}  // namespace espalier::bench
