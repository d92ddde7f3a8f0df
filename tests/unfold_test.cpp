#include "kernels/unfold/unfold.h"

#include "tests/kernel_test.h"

namespace espalier::test::unfold_tests {
namespace {

struct Case {
  Conv2dShape shape;
  int64_t padding;
};
// Windows that overlap, that leave pixels out, larger than a step and larger than the image.
constexpr Case cases[] = {{{7, 6, 3, 2, 3, 3, 1}, 1}, {{6, 6, 1, 2, 2, 2, 2}, 0},
                          {{9, 8, 2, 2, 3, 2, 3}, 1}, {{7, 7, 2, 2, 2, 2, 4}, 0},
                          {{8, 6, 1, 2, 5, 5, 1}, 2}, {{33, 31, 5, 2, 3, 3, 1}, 1}};
constexpr int64_t image_count = 3;

int64_t image_size(const Case& one) {
  const Conv2dShape& s = one.shape;
  return (s.height - 2 * one.padding) * (s.width - 2 * one.padding) * s.in_channels;
}

// Calls f(patch element, image element or -1) for every element of the patches.
template <class F>
void for_each_tap(const Case& one, F f) {
  const Conv2dShape& s = one.shape;
  const int64_t height = s.height - 2 * one.padding, width = s.width - 2 * one.padding;
  int64_t patch = 0;
  for (int64_t b = 0; b < image_count; ++b)
    for (int64_t i = 0; i < s.out_height(); ++i)
      for (int64_t j = 0; j < s.out_width(); ++j)
        for (int64_t u = 0; u < s.kernel_height; ++u)
          for (int64_t v = 0; v < s.kernel_width; ++v)
            for (int64_t c = 0; c < s.in_channels; ++c) {
              const int64_t h = i * s.stride + u - one.padding, w = j * s.stride + v - one.padding;
              const bool inside = h >= 0 && h < height && w >= 0 && w < width;
              f(patch++, inside ? b * image_size(one) + (h * width + w) * s.in_channels + c : -1);
            }
}

}  // namespace

TEST_CASE("unfold rows take every window of every image") {
  for (const Case& one : cases) {
    const Conv2dShape& s = one.shape;
    const auto count = static_cast<size_t>(image_count * s.out_pixels() * s.depth());
    for_each_row(unfold_kernels<float>(), [&](const auto& row) {
      Guarded<float> x(static_cast<size_t>(image_count * image_size(one))), patches(count);
      fill_normal(x, 1);
      row.run(x.data(), patches.data(), image_count, one.padding, s);
      int64_t wrong = 0;
      for_each_tap(one, [&](int64_t patch, int64_t at) {
        const float expected = at < 0 ? 0.0f : x[static_cast<size_t>(at)];
        wrong += patches[static_cast<size_t>(patch)] != expected;
      });
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("fold rows add every window where unfold takes it, and agree bit for bit") {
  for (const Case& one : cases) {
    const Conv2dShape& s = one.shape;
    const auto count = static_cast<size_t>(image_count * s.out_pixels() * s.depth());
    const auto size = static_cast<size_t>(image_count * image_size(one));
    std::vector<float> first;
    for_each_row(fold_kernels<float>(), [&](const auto& row) {
      Guarded<float> patches(count), x(size);
      fill_normal(patches, 2);
      std::vector<double> expected(size), magnitude(size);
      for_each_tap(one, [&](int64_t patch, int64_t at) {
        if (at < 0) return;
        const double value = static_cast<double>(patches[static_cast<size_t>(patch)]);
        expected[static_cast<size_t>(at)] += value;
        magnitude[static_cast<size_t>(at)] += std::abs(value);
      });
      row.run(patches.data(), x.data(), image_count, one.padding, s);
      // A sum of at most as many values as a window has taps.
      const double terms = static_cast<double>(s.kernel_height * s.kernel_width);
      check_close(x, expected, [&](size_t i) { return terms * epsilon / 2 * magnitude[i]; });
      if (first.empty()) first.assign(x.begin(), x.end());
      CHECK(std::memcmp(x.data(), first.data(), size * sizeof(float)) == 0);
    });
  }
}

}  // namespace espalier::test::unfold_tests
