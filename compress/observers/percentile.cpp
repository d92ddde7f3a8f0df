#include "compress/observers/percentile.h"

#include "engine/error.h"

namespace espalier {
namespace {

// How many bins, from one end on, hold `wanted` values; a fraction of the last.
template <class Iterator>
double bins_that_hold(double wanted, Iterator begin, Iterator end) {
  double bins = 0;
  for (Iterator at = begin; at != end && wanted > 0; ++at) {
    const auto count = static_cast<double>(*at);
    if (count >= wanted) return bins + wanted / count;
    wanted -= count;
    ++bins;
  }
  return bins;
}

}  // namespace

PercentileObserver::PercentileObserver(double percentile) : left_out_((100 - percentile) / 100) {
  if (!(percentile > 50 && percentile <= 100))
    argument_error("PercentileObserver", "percentile", std::to_string(percentile),
                   "above 50, at most 100", "");
}

Range PercentileObserver::choose(const Histogram& h) const {
  const double wanted = left_out_ * static_cast<double>(h.total);
  const double below = bins_that_hold(wanted, h.counts.begin(), h.counts.end());
  const double above = bins_that_hold(wanted, h.counts.rbegin(), h.counts.rend());
  return {h.edge(0) + below * h.width,
          h.edge(static_cast<int64_t>(h.counts.size())) - above * h.width};
}

}  // namespace espalier
