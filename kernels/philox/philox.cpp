#include "kernels/philox/philox_scalar.h"

namespace espalier {
namespace {

using espalier::box_muller;  // beside that of doubles

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

void philox_keep_seed_at_scalar(const uint64_t* seed, uint64_t stream, uint64_t offset,
                                uint32_t threshold, uint8_t* out, int64_t count) noexcept {
  philox_keep_scalar({*seed, stream}, offset, threshold, out, count);
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
      ESPALIER_CUDA_ROW(philox_u32) ESPALIER_ISA_ROWS(philox_u32){Isa::scalar, philox_u32_scalar}};
  return rows;
}

std::span<const KernelRow<PhiloxKeep>> philox_keep_kernels() noexcept {
  static constexpr KernelRow<PhiloxKeep> rows[] = {ESPALIER_CUDA_ROW(philox_keep) ESPALIER_ISA_ROWS(
      philox_keep){Isa::scalar, philox_keep_scalar}};
  return rows;
}

std::span<const KernelRow<PhiloxKeepSeedAt>> philox_keep_seed_at_kernels() noexcept {
  static constexpr KernelRow<PhiloxKeepSeedAt> rows[] = {
      ESPALIER_CUDA_ROW(philox_keep_seed_at){Isa::scalar, philox_keep_seed_at_scalar}};
  return rows;
}

template <>
std::span<const KernelRow<PhiloxFill<float>>> philox_uniform_kernels() noexcept {
  static constexpr KernelRow<PhiloxFill<float>> rows[] = {ESPALIER_CUDA_ROW(
      philox_uniform) ESPALIER_ISA_ROWS(philox_uniform){Isa::scalar, philox_uniform_scalar<float>}};
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
  static constexpr KernelRow<PhiloxFill<float>> rows[] = {ESPALIER_CUDA_ROW(
      philox_normal) ESPALIER_ISA_ROWS(philox_normal){Isa::scalar, philox_normal_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<PhiloxFill<double>>> philox_normal_kernels() noexcept {
  static constexpr KernelRow<PhiloxFill<double>> rows[] = {
      {Isa::scalar, philox_normal_scalar<double>}};
  return rows;
}

}  // namespace espalier
