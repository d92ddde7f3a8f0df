#include "kernels/layer_norm_s8/layer_norm_s8.h"

#include "bench/cases/case.h"
#include "engine/parallel.h"

namespace espalier::bench {
namespace {

// A stream of some thousand steps, normalised to codes of deviation 40.
struct Data {
  int64_t width;
  Values<int16_t> x;
  Floats gamma, beta;
  Values<int8_t> y;

  Data(int64_t rows, int64_t D)
      : width(D),
        x(whole_numbers<int16_t>(rows * D, 1, 4000)),
        gamma(static_cast<size_t>(D), 40),
        beta(normal(D, 2)),
        y(x.size()) {}
};

constexpr float eps = 1e-5f;

// Its integers are a few additions; what takes its time is done in fp32, value by value.
KernelCase forward(int64_t rows, int64_t width) {
  const auto d = std::make_shared<Data>(rows, width);
  const double n = static_cast<double>(rows * width);
  KernelCase out = {{8 * n, 3 * n, n}, rows, grain_for(width), {}, {}};
  layer_norm_s8_kernels().back().run(d->x.data(), d->gamma.data(), d->beta.data(), d->y.data(),
                                     rows, width, eps);
  out.oracle.expect_exactly(d->y, unlike(d->y), Values<int8_t>(d->y));
  out.contenders = contenders(layer_norm_s8_kernels(), [&](const auto& row) {
    return [d, run = row.run](int64_t begin, int64_t end) {
      const int64_t first = begin * d->width;
      run(d->x.data() + first, d->gamma.data(), d->beta.data(), d->y.data() + first, end - begin,
          d->width, eps);
    };
  });
  return out;
}

}  // namespace

void add_layer_norm_s8_cases(Cases& cases) {
  for (const int64_t rows : {49, 50, 12'544, 12'800})
    cases.push_back(
        {"layer_norm_s8/" + std::to_string(rows) + "x128", [rows] { return forward(rows, 128); }});
}

}  // namespace espalier::bench
