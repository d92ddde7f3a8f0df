#include "compress/auto_optimizer/choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "engine/error.h"

namespace espalier {
namespace {

constexpr const char* name_of_choice = "choose";

// What a target wants little of.
using Cost = std::function<double(const MeasuredPoint&)>;

Cost cost_of_target(const std::string& target) {
  static const std::map<std::string, Cost> costs = {
      {"speed", [](const MeasuredPoint& p) { return p.seconds; }},
      {"size", [](const MeasuredPoint& p) { return p.bytes; }},
      {"accuracy", [](const MeasuredPoint& p) { return -p.accuracy; }},
      {"balanced", [](const MeasuredPoint& p) { return std::log(p.seconds) + std::log(p.bytes); }}};
  const auto found = costs.find(target);
  if (found == costs.end())
    argument_error(name_of_choice, "target", "'" + target + "'",
                   "speed, size, accuracy or balanced", "");
  return found->second;
}

// The share of the budget that a value goes over it, 0 within.
double excess(double value, const std::optional<double>& most) {
  return most && value > *most ? value / *most - 1 : 0;
}

}  // namespace

bool meets(const MeasuredPoint& point, const Budget& budget) {
  return (!budget.bytes || point.bytes <= *budget.bytes) &&
         (!budget.seconds || point.seconds <= *budget.seconds) &&
         (!budget.accuracy || point.accuracy >= *budget.accuracy);
}

std::optional<size_t> choose(const std::vector<MeasuredPoint>& points, const std::string& target,
                             const Budget& budget, size_t rule) {
  const Cost cost = cost_of_target(target);
  if (rule >= points.size())
    argument_error(name_of_choice, "rule", std::to_string(rule), "one of the points", "");
  const bool by_accuracy = target == "accuracy";
  const auto allowed = [&](const MeasuredPoint& p) {
    return meets(p, budget) && (target == "size" || p.seconds <= points[0].seconds);
  };
  const auto beside_rule = [&](const MeasuredPoint& p) {
    return by_accuracy ? p.seconds <= points[rule].seconds : p.accuracy >= points[rule].accuracy;
  };
  const Cost least_loss = [](const MeasuredPoint& p) { return -p.accuracy; };
  const auto best = [&](const auto& eligible, const Cost& first,
                        const Cost& then) -> std::optional<size_t> {
    std::optional<size_t> found;
    for (size_t i = 0; i < points.size(); ++i) {
      if (!eligible(points[i])) continue;
      const auto key = [&](size_t at) { return std::pair(first(points[at]), then(points[at])); };
      if (!found || key(i) < key(*found)) found = i;
    }
    return found;
  };
  const Cost seconds = [](const MeasuredPoint& p) { return p.seconds; };
  const auto both = [&](const MeasuredPoint& p) { return allowed(p) && beside_rule(p); };
  if (const auto found = best(both, cost, by_accuracy ? seconds : least_loss)) return found;
  if (const auto found = best(allowed, least_loss, cost)) return found;
  return best([&](const MeasuredPoint& p) { return meets(p, budget); }, least_loss, cost);
}

size_t nearest(const std::vector<MeasuredPoint>& points, const Budget& budget) {
  const auto missed = [&](const MeasuredPoint& p) {
    const double short_of =
        budget.accuracy && p.accuracy < *budget.accuracy ? 1 - p.accuracy / *budget.accuracy : 0;
    return excess(p.bytes, budget.bytes) + excess(p.seconds, budget.seconds) + short_of;
  };
  const auto least = std::min_element(
      points.begin(), points.end(),
      [&](const MeasuredPoint& a, const MeasuredPoint& b) { return missed(a) < missed(b); });
  return static_cast<size_t>(least - points.begin());
}

}  // namespace espalier
