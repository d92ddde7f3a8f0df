#include "compress/observers/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"

namespace espalier {
namespace {

constexpr int64_t half = HistogramObserver::bins / 2;
constexpr int log2_half = 11;
static_assert(half == 1 << log2_half);
// Bins are never finer: the least f32 above zero lies in the 2,048th of this width.
constexpr int least_exponent = -149 - log2_half;

// The least with which all of `range` lies in bins [-half, half).
int exponent_for(const Range& range) {
  const double magnitude = std::max(-range.low, range.high);
  if (magnitude == 0) return least_exponent;
  int power = 0;  // magnitude < 2^power
  std::frexp(magnitude, &power);
  return power - log2_half;
}

// Rounds down; what is at hand is far smaller than an int.
int floor_of(double x) {
  const int towards_zero = static_cast<int>(x);
  return towards_zero - (x < towards_zero);
}

}  // namespace

void HistogramObserver::widen(size_t channel) {
  const auto c = static_cast<int64_t>(channel);
  const int exponent = exponent_for(ends_.range(c, c + 1));
  const int by = std::min(exponent - exponents_[channel], log2_half + 1);
  exponents_[channel] = exponent;
  if (by == 0) return;
  uint32_t* counts = counts_.data() + c * bins;
  std::vector<uint32_t> merged(bins);
  for (int64_t bin = -half; bin < half; ++bin)
    merged[static_cast<size_t>((bin >> by) + half)] += counts[bin + half];
  std::copy(merged.begin(), merged.end(), counts);
}

void HistogramObserver::observe(const Tensor& x) {
  ends_.observe(x);
  const int64_t width = channels(), rows = width ? x.numel() / width : 0;
  if (seen_ + rows > std::numeric_limits<uint32_t>::max())
    argument_error("HistogramObserver", "x", std::to_string(seen_ + rows) + " values a channel",
                   "fewer than 2^32", "calibrate on fewer inputs");
  seen_ += rows;
  exponents_.resize(static_cast<size_t>(width), least_exponent);
  counts_.resize(static_cast<size_t>(width * bins));
  const Tensor values = contiguous(x);
  constexpr int64_t block = 16;  // channels of one cache line, whose bins stay in cache
  const auto count = [&](int64_t begin, int64_t end) {
    std::array<double, block> inverse{};
    for (int64_t c = begin; c < end; ++c) {
      widen(static_cast<size_t>(c));
      inverse[static_cast<size_t>(c - begin)] =
          std::ldexp(1.0, -exponents_[static_cast<size_t>(c)]);
    }
    for (int64_t row = 0; row < rows; ++row) {
      const float* at = values.data<float>() + row * width;
      for (int64_t c = begin; c < end; ++c) {
        const double bin = static_cast<double>(at[c]) * inverse[static_cast<size_t>(c - begin)];
        ++counts_[static_cast<size_t>(c * bins + half + floor_of(bin))];
      }
    }
  };
  parallel_for(width, block, count);
}

Histogram HistogramObserver::histogram(int64_t first, int64_t last) const {
  Histogram out;
  out.extremes = ends_.range(first, last);
  out.total = seen_ * (last - first);
  const auto of = exponents_.begin();
  const int exponent = *std::max_element(of + first, of + last);
  out.width = std::ldexp(1.0, exponent);
  out.first = floor_of(out.extremes.low / out.width);
  out.counts.resize(static_cast<size_t>(floor_of(out.extremes.high / out.width) - out.first + 1));
  for (int64_t c = first; c < last; ++c) {
    const int by = std::min(exponent - exponents_[static_cast<size_t>(c)], log2_half + 1);
    const uint32_t* counts = counts_.data() + c * bins + half;
    for (int64_t bin = -half; bin < half; ++bin)
      if (counts[bin]) out.counts[static_cast<size_t>((bin >> by) - out.first)] += counts[bin];
  }
  return out;
}

Range HistogramObserver::range(int64_t first, int64_t last) const {
  const Range seen = ends_.range(first, last);
  if (seen.low == seen.high) return seen;
  const Range chosen = choose(histogram(first, last));
  return {std::clamp(chosen.low, seen.low, 0.0), std::clamp(chosen.high, 0.0, seen.high)};
}

}  // namespace espalier
