// From values to pixels, and the round numbers to write beside them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace espalier::bench {

struct Axis {
  std::string label = {};  // with its unit: "time (ms)"
  bool log = false;
  bool whole = false;                         // counts: no tick between whole numbers
  std::optional<double> low = {}, high = {};  // in place of limits found from the data
};

struct Interval {
  double low = 0, high = 1;
};

struct Tick {
  double value;
  std::string label = {};  // empty for a minor tick
};

// A linear or logarithmic map from an interval of values to an interval of pixels.
class Scale {
 public:
  Scale(Interval values, double from, double to, bool log);
  double operator()(double value) const;
  const Interval& values() const { return values_; }
  bool log() const { return log_; }

 private:
  Interval values_;
  double from_, to_;
  bool log_;
};

// 1, 2 or 5 times a power of ten, such that about `count` steps cover the interval; at least 1 on
// an axis of whole numbers.
double nice_step(Interval values, int count, bool whole);

// The interval that an axis shows for the given data: widened to round numbers unless the axis
// fixes its limits. An empty interval becomes one of positive length. On a log axis the data must
// be positive.
Interval nice_limits(const Axis& axis, Interval data, int count);

// At most about `count` labelled ticks inside the interval. A log interval of under two decades is
// also labelled at 2 and 5 (or linearly, when even those are too few).
std::vector<Tick> ticks(Interval values, int count, const Axis& axis);

// "1234" as "1,234", 2.5e6 as "2.5M", 1e-7 as "1×10⁻⁷"; decimals are those that `step` needs.
std::string tick_label(double value, double step);

// `decimals` digits after the point, with a comma between thousands.
std::string fixed(double value, int decimals);

}  // namespace espalier::bench
