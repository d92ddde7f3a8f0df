#include "bench/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace espalier::bench {
namespace {

constexpr double slack = 1e-9;  // of a step: forgives the rounding of multiples

std::string superscript(int exponent) {
  static constexpr const char* digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out = exponent < 0 ? "⁻" : "";
  for (char digit : std::to_string(std::abs(exponent))) out += digits[digit - '0'];
  return out;
}

int decimals_of(double step) {
  return std::max(0, -static_cast<int>(std::floor(std::log10(step) + slack)));
}

// value = mantissa * 10^exponent, the mantissa in [1, 10).
int exponent_of(double value) {
  return static_cast<int>(std::floor(std::log10(std::abs(value)) + slack));
}

std::vector<Tick> linear_ticks(Interval values, int count, bool whole) {
  const double step = nice_step(values, count, whole);
  std::vector<Tick> out;
  const double first = std::ceil(values.low / step - slack);
  for (double i = first; i * step <= values.high + slack * step; ++i)
    out.push_back({i * step, tick_label(i * step, step)});
  return out;
}

std::vector<Tick> log_ticks(Interval values, int count) {
  const int first = exponent_of(values.low), last = exponent_of(values.high);
  const double decades = std::log10(values.high / values.low);
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / count)));
  std::vector<Tick> out;
  for (int exponent = first; exponent <= last; ++exponent)
    for (int digit = 1; digit <= 9; ++digit) {
      const double value = digit * std::pow(10.0, exponent);
      if (value < values.low * (1 - slack) || value > values.high * (1 + slack)) continue;
      const bool round =
          digit == 1 ? exponent % stride == 0 : decades * 3 <= count && (digit == 2 || digit == 5);
      out.push_back({value, round ? tick_label(value, value) : ""});
    }
  return out;
}

}  // namespace

Scale::Scale(Interval values, double from, double to, bool log)
    : values_(values), from_(from), to_(to), log_(log) {}

double Scale::operator()(double value) const {
  const double t = log_ ? std::log(value / values_.low) / std::log(values_.high / values_.low)
                        : (value - values_.low) / (values_.high - values_.low);
  return from_ + t * (to_ - from_);
}

double nice_step(Interval values, int count, bool whole) {
  const double raw = (values.high - values.low) / std::max(count, 1);
  if (whole && raw <= 1) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (double digit : {1.0, 2.0, 5.0})
    if (digit * power >= raw * (1 - slack)) return digit * power;
  return 10 * power;
}

Interval nice_limits(const Axis& axis, Interval data, int count) {
  Interval out = {axis.low.value_or(data.low), axis.high.value_or(data.high)};
  if (axis.log) {
    if (!(out.high > out.low * (1 + slack))) out = {out.low / 2, out.high * 2};
    const auto round_down = [](double v) {
      const double power = std::pow(10.0, exponent_of(v));
      const double digit = v / power * (1 + slack);
      return (digit >= 5 ? 5 : digit >= 2 ? 2 : 1) * power;
    };
    if (!axis.low) out.low = round_down(out.low);
    if (!axis.high) out.high = 10 / round_down(10 / out.high);
    return out;
  }
  if (!(out.high > out.low)) {
    const double around = out.low == 0 ? 1 : std::abs(out.low) / 10;
    out = {out.low - around, out.low + around};
  }
  const double step = nice_step(out, count, axis.whole);
  if (!axis.low) out.low = std::floor(out.low / step + slack) * step;
  if (!axis.high) out.high = std::ceil(out.high / step - slack) * step;
  return out;
}

std::vector<Tick> ticks(Interval values, int count, const Axis& axis) {
  if (!axis.log) return linear_ticks(values, count, axis.whole);
  std::vector<Tick> out = log_ticks(values, count);
  const auto labelled = [](const Tick& tick) { return !tick.label.empty(); };
  if (std::count_if(out.begin(), out.end(), labelled) >= 2) return out;
  return linear_ticks(values, count, axis.whole);
}

std::string fixed(double value, int decimals) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, std::abs(value));
  std::string out = buffer;
  const size_t whole = std::min(out.find('.'), out.size());
  for (size_t at = whole; at > 3; at -= 3) out.insert(at - 3, ",");
  return (std::signbit(value) && out.find_first_not_of("0.,") != out.npos ? "−" : "") + out;
}

std::string tick_label(double value, double step) {
  if (std::abs(value) < slack * step) return "0";
  const double size = std::abs(value);
  if (step >= 1e4 && size < 1e15) {
    static constexpr struct {
      double unit;
      const char* suffix;
    } units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    for (const auto& [unit, suffix] : units)
      if (size >= unit) return fixed(value / unit, decimals_of(step / unit)) + suffix;
  }
  if (size >= 1e15 || (step < 1e-4 && size < 1e-2)) {
    const int exponent = exponent_of(value);
    const double power = std::pow(10.0, exponent);
    const std::string ten = "10" + superscript(exponent);
    if (std::abs(size / power - 1) < slack) return (value < 0 ? "−" : "") + ten;
    return fixed(value / power, decimals_of(step / power)) + "×" + ten;
  }
  return fixed(value, decimals_of(step));
}

}  // namespace espalier::bench
