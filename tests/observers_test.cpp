// Ranges that observers choose, held against cases worked out by hand.
#include <cmath>
#include <limits>

#include "compress/codes.h"
#include "compress/observers/entropy.h"
#include "compress/observers/factory.h"
#include "compress/observers/moving_average.h"
#include "compress/observers/mse.h"
#include "compress/observers/percentile.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "tests/gradient_test.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

Tensor column(const std::vector<float>& values) {
  return Tensor::of(values, {static_cast<int64_t>(values.size()), 1});
}

// Chooses nothing: a histogram is all that it is asked for.
class Counter : public HistogramObserver {
  Range choose(const Histogram& histogram) const override { return histogram.extremes; }
};

void check_range(const Range& found, double low, double high) {
  CHECK(found.low == low);
  CHECK(found.high == high);
}

}  // namespace

TEST_CASE("every observer has a name, and another name gets the list of them") {
  for (const std::string& name : observer_names()) {
    INFO(name);
    const auto observer = observer_factory(name)();
    CHECK(contains(refusal_of([&] { observer->range(); }), "observe() something first"));
    observer->observe(random_tensor({50, 3}, 1, DType::f32));
    CHECK(contains(refusal_of([&] { observer->observe(Tensor::zeros({2, 4})); }), "[..., 3]"));
    CHECK(contains(refusal_of([&] { observer->range(0, 4); }), "some of 3"));
    CHECK(contains(refusal_of([&] { observer->range(2, 2); }), "some of 3"));
    CHECK(contains(refusal_of([&] { observer->observe(Tensor::zeros({3}, DType::s8)); }), "f32"));
  }
  CHECK(contains(refusal_of([] { observer_factory("median"); }),
                 "'median'; expected one of min_max, moving_average, percentile, mse, entropy"));
}

TEST_CASE("what is not finite is a numeric error of one line and changes nothing") {
  for (const std::string& name : observer_names())
    for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
      INFO(name, " ", bad);
      const auto observer = observer_factory(name)();
      observer->observe(column({1, 2}));
      try {
        observer->observe(column({64, bad, -64}));
        FAIL("accepted");
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::numeric);
        CHECK(contains(error.what(), "expected finite activations"));
        CHECK(!contains(error.what(), "\n"));
      }
      check_range(observer->range(), 0, observer->range().high);
      CHECK(observer->range().high <= 2);
    }
}

TEST_CASE("activations that hardly vary end in a range all the same, zero in it") {
  constexpr float most = std::numeric_limits<float>::max();
  constexpr float least = std::numeric_limits<float>::denorm_min();
  for (const std::string& name : observer_names()) {
    INFO(name);
    const auto range_of = [&](const std::vector<float>& values) {
      const auto observer = observer_factory(name)();
      observer->observe(column(values));
      return observer->range();
    };
    check_range(range_of({0, 0, -0.0F, 0}), 0, 0);
    const Range high = range_of(std::vector<float>(100, 3.7F));
    // A percentile may cut a bin: at most 1 / 1,024 of the largest value.
    check_range(high, 0, high.high);
    CHECK(high.high == doctest::Approx(3.7F).epsilon(1.0 / 1024));
    const Range low = range_of(std::vector<float>(100, -3.7F));
    check_range(low, low.low, 0);
    CHECK(low.low == doctest::Approx(-3.7F).epsilon(1.0 / 1024));
    const Range largest = range_of({most, -most});
    CHECK(largest.low == doctest::Approx(-static_cast<double>(most)).epsilon(1.0 / 1024));
    CHECK(largest.high == doctest::Approx(static_cast<double>(most)).epsilon(1.0 / 1024));
    CHECK(range_of({least}).high > 0);
    CHECK(affine_codes(range_of({least})).scale > 0);
    CHECK(range_of({least, most}).high > 0);
  }
}

TEST_CASE("a moving average weighs batches by their age, channel by channel") {
  MovingAverageObserver observer(0.75);
  observer.observe(Tensor::of<float>({8, -4, 2, 6}, {2, 2}));
  check_range(observer.range(0, 1), 0, 8);
  check_range(observer.range(1, 2), -4, 6);
  observer.observe(Tensor::of<float>({4, 2}, {1, 2}));
  check_range(observer.range(0, 1), 0, 0.75 * 8 + 0.25 * 4);
  check_range(observer.range(1, 2), 0.75 * -4, 0.75 * 6 + 0.25 * 2);
  check_range(observer.range(), 0.75 * -4, 0.75 * 8 + 0.25 * 4);
  check_range(observer.extremes(), -4, 8);
  observer.observe(Tensor::zeros({0, 2}));
  check_range(observer.range(), -3, 7);
  CHECK(contains(refusal_of([] { MovingAverageObserver(1); }), "momentum"));
}

TEST_CASE("histograms count exactly, whatever the order, the batches, the parts") {
  const Tensor x = random_tensor({3000, 5}, 3, DType::f32);
  for (int64_t i = 0; i < x.numel(); ++i)  // five scales, growing as values come
    x.data<float>()[i] *= std::ldexp(1.0F, static_cast<int>(3 * (i % 5) + i / 4000));
  Counter at_once, in_batches, backwards;
  at_once.observe(x);
  for (int64_t i = 0; i < 3000; i += 250) in_batches.observe(slice(x, 0, i, i + 250));
  for (int64_t i = 3000; i > 0; i -= 1) backwards.observe(slice(x, 0, i - 1, i));
  for (const std::pair<int, int>& part : {std::pair{0, 1}, {1, 2}, {1, 4}, {0, 5}}) {
    const int first = part.first, last = part.second;
    INFO("channels ", first, " to ", last);
    const Histogram h = at_once.histogram(first, last);
    std::vector<int64_t> expected(h.counts.size());
    for (int64_t i = 0; i < x.numel(); ++i)
      if (i % 5 >= first && i % 5 < last)
        ++expected.at(
            static_cast<size_t>(std::floor(static_cast<double>(x.data<float>()[i]) / h.width) -
                                static_cast<double>(h.first)));
    CHECK(h.counts == expected);
    CHECK(h.counts == in_batches.histogram(first, last).counts);
    CHECK(h.counts == backwards.histogram(first, last).counts);
    CHECK(h.total == 3000 * (last - first));
    const double reach = std::max(-h.extremes.low, h.extremes.high) / h.width;
    CHECK(reach >= HistogramObserver::bins / 4);
    CHECK(reach < HistogramObserver::bins / 2);
  }
}

TEST_CASE("histograms are the same on any number of threads") {
  const Tensor x = random_tensor({400, 70}, 4, DType::f32);
  const int before = num_threads();
  std::vector<std::vector<int64_t>> counts;
  for (int threads : {1, 3}) {
    set_num_threads(threads);
    Counter counter;
    counter.observe(x);
    counts.push_back(counter.histogram(0, 70).counts);
  }
  set_num_threads(before);
  CHECK(counts[0] == counts[1]);
}

TEST_CASE("a percentile leaves out as many values at either end") {
  // Bins are 1 wide, since the largest magnitude lies between 1,024 and 2,048. The 10th values from
  // the ends, -1,472.5 and 490.5, are left out with their bins.
  std::vector<float> values;
  for (int i = -500; i < 500; ++i) values.push_back(static_cast<float>(i < 0 ? 3 * i : i) + 0.5F);
  PercentileObserver observer(99);
  observer.observe(column(values));
  check_range(observer.range(), -1472, 490);
  PercentileObserver all(100);
  all.observe(column(values));
  check_range(all.range(), -1499.5, 499.5);
  CHECK(contains(refusal_of([] { PercentileObserver(50); }), "percentile"));
}

TEST_CASE("a percentile is of the channels that were asked for") {
  const Tensor x = Tensor::empty({1000, 2});
  for (int64_t i = 0; i < 1000; ++i)
    x.data<float>()[2 * i] = static_cast<float>(i % 2), x.data<float>()[2 * i + 1] = -100;
  PercentileObserver observer(90);
  observer.observe(x);
  CHECK(observer.range(0, 1).low == 0);
  CHECK(observer.range(0, 1).high == 1);
  CHECK(observer.range(1, 2).low == doctest::Approx(-100).epsilon(1.0 / 1024));
  CHECK(observer.range().high == 1);
}

TEST_CASE("the error of a range is that of its codes") {
  const Tensor x = random_tensor({20'000, 1}, 5, DType::f32);
  Counter counter;
  counter.observe(x);
  const Histogram h = counter.histogram(0, 1);
  for (const Range& range : {Range{-4, 4}, Range{-1, 2}, Range{-0.3, 3}, Range{0, 1}}) {
    const Codes codes = affine_codes(range);
    double sum = 0;
    for (int64_t i = 0; i < x.numel(); ++i) {
      const double value = static_cast<double>(x.data<float>()[i]);
      const double code =
          std::clamp(std::nearbyint(value / codes.scale) + codes.zero_point, -128.0, 127.0);
      const double error = value - (code - codes.zero_point) * codes.scale;
      sum += error * error;
    }
    // A value lies anywhere in its bin: at most a width off, and its error with it; on average over
    // n values that are spread over a bin the first order vanishes, sqrt(n) of it remaining.
    const double root = std::sqrt(sum / 20'000), width = h.width;
    CHECK(
        MseObserver::error(h, range) ==
        doctest::Approx(sum / 20'000)
            .epsilon((2 * width / root + width * width / (root * root)) / std::sqrt(20'000.0) * 8));
  }
}

TEST_CASE("the least error keeps what is evenly spread and cuts a lone outlier off") {
  std::vector<float> values;
  for (int i = 0; i <= 10'000; ++i) values.push_back(static_cast<float>(i - 3000) / 1000);
  MseObserver even;
  even.observe(column(values));
  check_range(even.range(), -3, 7);
  // One value at 20 among 10^4 up to 7: cutting it costs (20 - h)^2 of E's sum, keeping it makes
  // rounding cost (23^2 - (3 + h)^2) / (12 * 255^2) * 10^4. Kept, for 20; but 10^6 values would
  // pay.
  values.push_back(20);
  MseObserver kept;
  kept.observe(column(values));
  CHECK(kept.range().high > 19);
  MseObserver cut;
  for (int i = 0; i < 100; ++i) cut.observe(slice(column(values), 0, 0, 10'001));
  cut.observe(column({20}));
  CHECK(cut.range().low >= -3);
  CHECK(cut.range().high < 20);
  CHECK(cut.range().high >= 7);
  CHECK(MseObserver::error(cut.histogram(0, 1), cut.range()) <
        MseObserver::error(cut.histogram(0, 1), cut.extremes()));
  check_range(cut.extremes(), -3, 20);
}

TEST_CASE("a divergence is Kullback and Leibler's") {
  // 512 bins, two for a code, as many values in each: Q is P.
  Histogram h{.width = 1, .first = -256, .counts = std::vector<int64_t>(512, 2)};
  CHECK(EntropyObserver::divergence(h, 0, 512) == doctest::Approx(0));
  // A code with 3 and 1 values: both count 2 in Q.
  h.counts[100] = 3, h.counts[101] = 1;
  CHECK(EntropyObserver::divergence(h, 0, 512) ==
        doctest::Approx((3 * std::log(1.5) + std::log(0.5)) / 1024));
  // A bin that P does not have takes nothing from Q: 4 is 4 but for the ten-thousandth, of which
  // 511 bins have more than before and this one less.
  h.counts[100] = 0, h.counts[101] = 4;
  const double even = EntropyObserver::smoothing / 511, kept = 1 - EntropyObserver::smoothing;
  CHECK(EntropyObserver::divergence(h, 0, 512) ==
        doctest::Approx(-510 * 2 / 1024.0 * std::log(kept + even * 1024 / 2) -
                        4 / 1024.0 * std::log(kept + even * 1024 / 4)));
  // One bin a code: only what lies outside differs. P's ends have 2 + 256 of 1024, Q's 2 of 512.
  h.counts[100] = h.counts[101] = 2;
  CHECK(EntropyObserver::divergence(h, 128, 384) ==
        doctest::Approx(2 * 258 / 1024.0 * std::log((258 / 1024.0) / (2 / 512.0)) +
                        254 * 2 / 1024.0 * std::log(0.5)));
  // What Q lacks costs its share of the ten-thousandth: an end bin that nothing but outliers fill.
  h.counts[383] = 0;
  const double spread = EntropyObserver::smoothing / 256, q = kept * 2 / 510 + spread;
  CHECK(EntropyObserver::divergence(h, 128, 384) ==
        doctest::Approx(258 / 1022.0 * std::log(258 / 1022.0 / q) +
                        254 * 2 / 1022.0 * std::log(2 / 1022.0 / q) +
                        256 / 1022.0 * std::log(256 / 1022.0 / spread)));
  std::fill(h.counts.begin() + 100, h.counts.end(), 0);
  CHECK(std::isinf(EntropyObserver::divergence(h, 128, 384)));
}

TEST_CASE("entropy cuts an outlier off, on the side that has it") {
  const Tensor x = random_tensor({50'000, 1}, 6, DType::f32);
  x.data<float>()[7] = 40;
  EntropyObserver observer;
  observer.observe(x);
  CHECK(observer.range().high < 20);
  CHECK(observer.range().high > 2);
  CHECK(observer.range().low > -5);
  CHECK(observer.range().low < -2);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = std::abs(x.data<float>()[i]);
  EntropyObserver one_sided;
  one_sided.observe(x);
  CHECK(one_sided.range().low == 0);
  CHECK(one_sided.range().high < 20);
}

}  // namespace espalier::test
