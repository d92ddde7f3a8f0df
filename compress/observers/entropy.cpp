#include "compress/observers/entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace espalier {
namespace {

double sum(const std::vector<int64_t>& counts, int64_t begin, int64_t end) {
  return static_cast<double>(
      std::accumulate(counts.begin() + begin, counts.begin() + end, int64_t{0}));
}

}  // namespace

double EntropyObserver::divergence(const Histogram& h, int64_t begin, int64_t end) {
  const auto size = static_cast<int64_t>(h.counts.size()), bins = end - begin;
  const double inside = sum(h.counts, begin, end), all = sum(h.counts, 0, size);
  std::vector<double> p(h.counts.begin() + begin, h.counts.begin() + end);
  p.front() += sum(h.counts, 0, begin);
  p.back() += sum(h.counts, end, size);
  if (inside == 0) return std::numeric_limits<double>::infinity();
  const auto has = [](double count) { return count > 0; };
  const double even = smoothing / static_cast<double>(std::count_if(p.begin(), p.end(), has));
  double divergence = 0;
  for (int64_t code = 0; code < codes; ++code) {
    const int64_t from = code * bins / codes, to = (code + 1) * bins / codes;
    const auto filled = std::count_if(p.begin() + from, p.begin() + to, has);
    const double share_of_code = sum(h.counts, begin + from, begin + to) / inside;
    const double q = (1 - smoothing) * share_of_code / static_cast<double>(filled) + even;
    for (int64_t bin = from; bin < to; ++bin) {
      const double share = p[static_cast<size_t>(bin)] / all;
      if (share > 0) divergence += share * std::log(share / q);
    }
  }
  return divergence;
}

Range EntropyObserver::choose(const Histogram& h) const {
  const auto size = static_cast<int64_t>(h.counts.size());
  const int64_t reach = std::max(-h.first, h.first + size);
  int64_t best = reach;
  if (size > codes) {
    double least = divergence(h, 0, size);
    constexpr int64_t stride = 8;
    for (int64_t t = reach - stride; t > 0; t -= stride) {
      const int64_t begin = std::max(int64_t{0}, -t - h.first);
      const int64_t end = std::min(size, t - h.first);
      if (end - begin < codes) break;
      const double found = divergence(h, begin, end);
      if (found < least) least = found, best = t;
    }
  }
  const double threshold = static_cast<double>(best) * h.width;
  return {std::max(h.extremes.low, -threshold), std::min(h.extremes.high, threshold)};
}

}  // namespace espalier
