#include "kernels/philox/philox.h"

#include <cmath>
#include <cstring>

#include "kernels/philox/philox_polynomials.h"

namespace espalier {
namespace {

template <size_t N>
float polynomial(const float (&coefficients)[N], float x) noexcept {
  float p = coefficients[0];
  for (size_t i = 1; i < N; ++i) p = std::fma(p, x, coefficients[i]);
  return p;
}

// ln x for normal x > 0.
float natural_log(float x) noexcept {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int32_t exponent = static_cast<int32_t>(bits - sqrt_half_bits) >> 23;
  bits -= static_cast<uint32_t>(exponent) << 23;
  float mantissa;
  std::memcpy(&mantissa, &bits, sizeof mantissa);
  const float n = static_cast<float>(exponent), f = mantissa - 1.0f, square = f * f;
  float small = polynomial(log_coefficients, f) * (f * square);
  small = std::fma(n, log_two_low, small);
  small = std::fma(square, -0.5f, small);
  return std::fma(n, log_two_high, f + small);
}

struct CosSin {
  float cos, sin;
};

// Of 2 pi w / 2^32. The reduction to |x| <= pi/4 is exact, in integers.
CosSin cos_sin(uint32_t w) noexcept {
  const uint32_t quarter = (w + (1u << 29)) >> 30;
  const float x = static_cast<float>(static_cast<int32_t>(w - (quarter << 30))) * radians_per_count;
  const float square = x * x;
  const float s = std::fma(polynomial(sin_coefficients, square), square * x, x);
  const float c = std::fma(polynomial(cos_coefficients, square), square * square,
                           std::fma(square, -0.5f, 1.0f));
  const float cos = quarter & 1 ? s : c, sin = quarter & 1 ? c : s;
  return {(quarter + 1) & 2 ? -cos : cos, quarter & 2 ? -sin : sin};
}

// Two normals from two words.
void box_muller(uint32_t radius_word, uint32_t angle_word, float* first, float* second) noexcept {
  const float u = std::fma(static_cast<float>(radius_word), 0x1p-32f, 0x1p-33f);
  const float radius = std::sqrt(-2.0f * natural_log(u));
  const CosSin direction = cos_sin(angle_word);
  *first = radius * direction.cos;
  *second = radius * direction.sin;
}

void box_muller(uint32_t radius_word, uint32_t angle_word, double* first, double* second) noexcept {
  const double radius = std::sqrt(-2.0 * std::log((radius_word + 0.5) * 0x1p-32));
  const double angle = 2 * 3.14159265358979323846 * (angle_word * 0x1p-32);
  *first = radius * std::cos(angle);
  *second = radius * std::sin(angle);
}

// Calls make(words, element) for every block that overlaps the range, where element(word) is the
// place for the value of that word, or null outside of the range.
template <class T, class Make>
void for_each_block(PhiloxKey key, uint64_t offset, T* out, int64_t count, Make make) noexcept {
  const auto size = static_cast<uint64_t>(count);
  const uint64_t first = offset % philox_group;
  for (uint64_t group = 0; group < first + size; group += philox_group) {
    for (uint64_t lane = 0; lane < 16; ++lane) {
      const PhiloxBlock words = philox_words(key, (offset - first + group) / 4 + lane);
      make(words, [&](uint64_t word) {
        const uint64_t index = group + 16 * word + lane - first;
        return index < size ? out + index : nullptr;
      });
    }
  }
}

template <class T, class FromWord>
void fill_scalar(PhiloxKey key, uint64_t offset, T* out, int64_t count, FromWord f) noexcept {
  for_each_block(key, offset, out, count, [f](const PhiloxBlock& words, auto element) {
    for (unsigned i = 0; i < 4; ++i)
      if (T* to = element(i)) *to = f(words.word[i]);
  });
}

void philox_u32_scalar(PhiloxKey key, uint64_t offset, uint32_t* out, int64_t count) noexcept {
  fill_scalar(key, offset, out, count, [](uint32_t w) { return w; });
}

void philox_keep_scalar(PhiloxKey key, uint64_t offset, uint32_t threshold, uint8_t* out,
                        int64_t count) noexcept {
  fill_scalar(key, offset, out, count,
              [threshold](uint32_t w) { return static_cast<uint8_t>(w >= threshold); });
}

template <class T>
void philox_uniform_scalar(PhiloxKey key, uint64_t offset, T* out, int64_t count) noexcept {
  fill_scalar(key, offset, out, count,
              [](uint32_t w) { return static_cast<T>(w >> 8) * T(0x1p-24); });
}

template <class T>
void philox_normal_scalar(PhiloxKey key, uint64_t offset, T* out, int64_t count) noexcept {
  for_each_block(key, offset, out, count, [](const PhiloxBlock& words, auto element) {
    for (unsigned i = 0; i < 4; i += 2) {
      T first, second;
      box_muller(words.word[i], words.word[i + 1], &first, &second);
      if (T* to = element(i)) *to = first;
      if (T* to = element(i + 1)) *to = second;
    }
  });
}

}  // namespace

std::span<const KernelRow<PhiloxFill<uint32_t>>> philox_u32_kernels() noexcept {
  static constexpr KernelRow<PhiloxFill<uint32_t>> rows[] = {
      ESPALIER_ISA_ROWS(philox_u32){Isa::scalar, philox_u32_scalar}};
  return rows;
}

std::span<const KernelRow<PhiloxKeep>> philox_keep_kernels() noexcept {
  static constexpr KernelRow<PhiloxKeep> rows[] = {
      ESPALIER_ISA_ROWS(philox_keep){Isa::scalar, philox_keep_scalar}};
  return rows;
}

template <>
std::span<const KernelRow<PhiloxFill<float>>> philox_uniform_kernels() noexcept {
  static constexpr KernelRow<PhiloxFill<float>> rows[] = {
      ESPALIER_ISA_ROWS(philox_uniform){Isa::scalar, philox_uniform_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<PhiloxFill<double>>> philox_uniform_kernels() noexcept {
  static constexpr KernelRow<PhiloxFill<double>> rows[] = {
      {Isa::scalar, philox_uniform_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<PhiloxFill<float>>> philox_normal_kernels() noexcept {
  static constexpr KernelRow<PhiloxFill<float>> rows[] = {
      ESPALIER_ISA_ROWS(philox_normal){Isa::scalar, philox_normal_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<PhiloxFill<double>>> philox_normal_kernels() noexcept {
  static constexpr KernelRow<PhiloxFill<double>> rows[] = {
      {Isa::scalar, philox_normal_scalar<double>}};
  return rows;
}

}  // namespace espalier
