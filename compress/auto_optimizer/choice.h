// The choice between measured models, for a target and within a budget.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace espalier {

struct Budget {
  std::optional<double> bytes{};     // at most
  std::optional<double> seconds{};   // a batch, at most
  std::optional<double> accuracy{};  // 0 to 1, at least
  bool any() const { return bytes || seconds || accuracy; }
};

// A model as measured.
struct MeasuredPoint {
  double seconds = 0, accuracy = 0, bytes = 0;
};

bool meets(const MeasuredPoint& point, const Budget& budget);

// Which of `points` to recommend for "speed", "size", "accuracy" or "balanced"; points[0] is the
// model before, points[rule] what the rule of thumb for the target makes of it, which the choice is
// no worse than on the target, at its accuracy or better (for "accuracy": in its time or less),
// unless a budget leaves no such point: then the most accurate of what it leaves. None is slower
// than the model before, but for "size", and where a budget leaves nothing else. None where the
// budget leaves nothing. Argument errors: another target, a rule beyond the points.
std::optional<size_t> choose(const std::vector<MeasuredPoint>& points, const std::string& target,
                             const Budget& budget, size_t rule);

// The point that misses the budget by the least, as the sum of the shares it misses by.
size_t nearest(const std::vector<MeasuredPoint>& points, const Budget& budget);

}  // namespace espalier
