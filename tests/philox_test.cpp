#include "kernels/philox/philox.h"

#include <algorithm>

#include "tests/kernel_test.h"

namespace espalier::test::philox_tests {
namespace {

constexpr PhiloxKey key = {0x0123456789abcdefu, 0xfedcba9876543210u};

bool operator==(const PhiloxBlock& a, const PhiloxBlock& b) { return same_bits(a, b); }

// Every row of a fill against its scalar row, bit by bit: ragged starts and ends, several groups,
// the carry into the counter's high word and the wrap of the offset.
template <class T, class Row, class Fill>
void check_rows(std::span<const Row> rows, Fill fill) {
  const uint64_t offsets[] = {0, 1, 63, 64, 1000, (uint64_t{1} << 34) - 70, ~uint64_t{0} - 80};
  for_each_row(rows, [&](const auto& row) {
    for (uint64_t offset : offsets) {
      for (int64_t count : {0, 1, 5, 63, 64, 65, 200}) {
        INFO("offset ", offset, ", count ", count);
        const auto size = static_cast<size_t>(count);
        Guarded<T> out(size), expected(size);
        fill(row, offset, out.data(), count);
        fill(rows.back(), offset, expected.data(), count);
        CHECK(std::equal(out.begin(), out.end(), expected.begin(), same_bits<T>));
      }
    }
  });
}

template <class T>
void check_fill_rows(std::span<const KernelRow<PhiloxFill<T>>> rows) {
  check_rows<T>(rows, [](const auto& row, uint64_t offset, T* out, int64_t count) {
    row.run(key, offset, out, count);
  });
}

std::vector<float> normals(size_t count) {
  std::vector<float> out(count);
  best_row(philox_normal_kernels<float>()).run(key, 0, out.data(), static_cast<int64_t>(count));
  return out;
}

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// Kolmogorov's statistic sqrt(n) sup |F_n - F|; a sample of F stays below 1.95 in 999 of 1000.
template <class F>
double kolmogorov(std::vector<float> sample, F distribution) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double largest = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const double expected = distribution(static_cast<double>(sample[i]));
    largest = std::max({largest, expected - static_cast<double>(i) / n,
                        static_cast<double>(i + 1) / n - expected});
  }
  return largest * std::sqrt(n);
}

}  // namespace

TEST_CASE("philox gives the known answers of Random123") {
  CHECK(philox_block({{0, 0, 0, 0}}, 0, 0) ==
        PhiloxBlock{{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}});
  constexpr uint32_t ones = 0xffffffffu;
  CHECK(philox_block({{ones, ones, ones, ones}}, ones, ones) ==
        PhiloxBlock{{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}});
  CHECK(philox_block({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0xa4093822u,
                     0x299f31d0u) ==
        PhiloxBlock{{0xd16cfe09u, 0x94fdcceb, 0x5001e420u, 0x24126ea1u}});
}

TEST_CASE("philox rows lay their words out as the contract says") {
  const PhiloxBlock answer = {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}};
  for_each_row(philox_u32_kernels(), [&](const auto& row) {
    uint32_t out[128];
    row.run({0, 0}, 0, out, 128);
    for (size_t word = 0; word < 4; ++word) CHECK(out[16 * word] == answer.word[word]);
    row.run(key, 1000, out, 128);
    for (uint64_t i = 0; i < 128; ++i) CHECK(out[i] == philox_word_at(key, 1000 + i));
  });
}

TEST_CASE("philox rows give the same bits") {
  check_fill_rows(philox_u32_kernels());
  check_fill_rows(philox_uniform_kernels<float>());
  check_fill_rows(philox_normal_kernels<float>());
  for (uint32_t threshold : {0u, 1u, 0x40000000u, 0x80000001u, 0xffffffffu})
    check_rows<uint8_t>(philox_keep_kernels(),
                        [=](const auto& row, uint64_t offset, uint8_t* out, int64_t count) {
                          row.run(key, offset, threshold, out, count);
                        });
  constexpr uint32_t half = 0x80000000u;
  check_rows<uint8_t>(philox_keep_seed_at_kernels(),
                      [](const auto& row, uint64_t offset, uint8_t* out, int64_t count) {
                        row.run(&key.seed, key.stream, offset, half, out, count);
                      });
  std::vector<uint8_t> given(200), read(given.size());
  best_row(philox_keep_kernels()).run(key, 70, half, given.data(), 200);
  best_row(philox_keep_seed_at_kernels()).run(&key.seed, key.stream, 70, half, read.data(), 200);
  CHECK(given == read);
}

TEST_CASE("philox: a part of a fill has the values of the whole") {
  for_each_row(philox_normal_kernels<float>(), [](const auto& row) {
    std::vector<float> whole(500), part(whole.size());
    row.run(key, 77, whole.data(), 500);
    for (int64_t at = 0, size = 1; at < 500; at += size, size = std::min(size + 13, 500 - at))
      row.run(key, 77 + static_cast<uint64_t>(at), part.data() + at, size);
    CHECK(std::equal(whole.begin(), whole.end(), part.begin(), same_bits<float>));
  });
}

TEST_CASE("philox: seeds and streams give different numbers") {
  uint32_t a[64], b[64];
  const auto& row = best_row(philox_u32_kernels());
  row.run(key, 0, a, 64);
  for (int bit = 0; bit < 128; bit += 17) {
    PhiloxKey other = key;
    (bit < 64 ? other.seed : other.stream) ^= uint64_t{1} << bit % 64;
    row.run(other, 0, b, 64);
    int equal = 0;
    for (int i = 0; i < 64; ++i) equal += a[i] == b[i];
    CHECK(equal == 0);
  }
}

TEST_CASE("philox normals agree with the double reference") {
  constexpr int64_t count = 1 << 16;  // a multiple of the group
  std::vector<float> out(count);
  std::vector<double> expected(count);
  philox_normal_kernels<double>().back().run(key, 0, expected.data(), count);
  for_each_row(philox_normal_kernels<float>(), [&](const auto& row) {
    row.run(key, 0, out.data(), count);
    check_close(out, expected, [&](size_t i) {
      // r^2 = -2 ln u bears the rounding of u, half an epsilon whatever ln u is, and 2 ulp of its
      // own; then the root, the direction (2 ulp, its argument 1) and the product.
      const double radius = std::hypot(expected[i], expected[i ^ 16]);
      const double square = epsilon + 2 * epsilon * radius * radius;
      return std::min(std::sqrt(square), square / radius) + 5 * epsilon * std::abs(expected[i]);
    });
  });
}

TEST_CASE("philox: the ends of the normal's words are finite and right") {
  // Words cannot be chosen, so look for the extremes that occur: over 2^22 normals |x| passes 4.9.
  float largest = 0;
  bool finite = true;
  for (float x : normals(size_t{1} << 22)) {
    finite = finite && std::isfinite(x);
    largest = std::max(largest, std::abs(x));
  }
  CHECK(finite);
  CHECK(largest > 4.9f);
  CHECK(largest < 6.77f);
}

TEST_CASE("philox uniforms: moments, chi-squared and Kolmogorov-Smirnov") {
  constexpr size_t count = size_t{1} << 18;
  std::vector<float> out(count);
  best_row(philox_uniform_kernels<float>()).run(key, 0, out.data(), count);
  std::vector<double> wide(count);
  philox_uniform_kernels<double>().back().run(key, 0, wide.data(), count);
  CHECK(std::equal(out.begin(), out.end(), wide.begin(), [](float a, double b) { return a == b; }));
  CHECK(*std::min_element(out.begin(), out.end()) >= 0.0f);
  CHECK(*std::max_element(out.begin(), out.end()) < 1.0f);
  double mean = 0, neighbours = 0;
  std::vector<double> bins(256);
  for (size_t i = 0; i < count; ++i) {
    mean += out[i] / count;
    neighbours += (out[i] - 0.5) * (out[(i + 1) % count] - 0.5) / count;
    ++bins[static_cast<size_t>(out[i] * 256)];
  }
  const double root = std::sqrt(static_cast<double>(count));
  CHECK(std::abs(mean - 0.5) < 4 * std::sqrt(1.0 / 12) / root);
  CHECK(std::abs(neighbours) < 4 * (1.0 / 12) / root);
  double chi_squared = 0;
  for (double n : bins) chi_squared += (n - count / 256.0) * (n - count / 256.0) / (count / 256.0);
  CHECK(std::abs(chi_squared - 255) < 4 * std::sqrt(2 * 255.0));
  CHECK(kolmogorov(out, [](double x) { return x; }) < 1.95);
}

TEST_CASE("philox normals: moments and Kolmogorov-Smirnov") {
  constexpr size_t count = size_t{1} << 18;
  const auto out = normals(count);
  double moment[5] = {}, pairs = 0;
  for (size_t i = 0; i < count; ++i) {
    double power = 1;
    for (double& m : moment) m += power / count, power *= static_cast<double>(out[i]);
    if (i / 16 % 2 == 0) pairs += static_cast<double>(out[i]) * out[i + 16] / (count / 2);
  }
  // The variance of x^k is E x^2k - (E x^k)^2: 1, 2, 15 and 96.
  const double root = std::sqrt(static_cast<double>(count));
  CHECK(std::abs(moment[1]) < 4 * 1 / root);
  CHECK(std::abs(moment[2] - 1) < 4 * std::sqrt(2.0) / root);
  CHECK(std::abs(moment[3]) < 4 * std::sqrt(15.0) / root);
  CHECK(std::abs(moment[4] - 3) < 4 * std::sqrt(96.0) / root);
  CHECK(std::abs(pairs) < 4 * std::sqrt(2.0) / root);
  CHECK(kolmogorov(out, normal_distribution) < 1.95);
}

TEST_CASE("philox keep-masks drop the asked share") {
  constexpr size_t count = size_t{1} << 18;
  std::vector<uint8_t> keep(count);
  for (double drop : {0.0, 0.1, 0.5, 0.9}) {
    const auto threshold = static_cast<uint32_t>(drop * 0x1p32);
    best_row(philox_keep_kernels()).run(key, 0, threshold, keep.data(), count);
    double kept = 0;
    for (uint8_t k : keep) kept += k;
    CHECK(std::abs(kept / count - (1 - drop)) <= 4 * std::sqrt(drop * (1 - drop) / count));
  }
}

}  // namespace espalier::test::philox_tests
