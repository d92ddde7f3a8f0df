#include "kernels/max_pool2d/max_pool2d.h"

#include "engine/ops/max_pool2d.h"
#include "tests/device_test.h"

namespace espalier::test::max_pool2d_tests {
namespace {

constexpr int64_t images = 2;

// Windows that overlap, touch and leave gaps, over images that they do not divide evenly.
const std::vector<MaxPool2dShape>& windows() {
  static const std::vector<MaxPool2dShape> shapes = {
      {7, 6, 1, 3, 2, 1}, {6, 7, 1, 2, 2, 0}, {5, 5, 1, 3, 1, 1},    {4, 9, 1, 1, 1, 0},
      {8, 5, 1, 2, 3, 1}, {9, 8, 1, 5, 2, 2}, {17, 16, 1, 16, 5, 8}, {1, 1, 1, 3, 2, 1},
  };
  return shapes;
}

size_t in_count(const MaxPool2dShape& s) { return static_cast<size_t>(images * s.in_size()); }
size_t out_count(const MaxPool2dShape& s) { return static_cast<size_t>(images * s.out_size()); }

// Few distinct values, so that windows hold ties.
template <class Range>
void fill_with_ties(Range& values, unsigned seed) {
  fill_normal(values, seed, 2.0);
  for (auto& v : values) v = std::round(v);
}

}  // namespace

TEST_CASE("max_pool2d forward rows equal the double reference") {
  for_each_row(max_pool2d_forward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t channels, Guard guard, size_t offset) {
      const auto& candidates = windows();
      MaxPool2dShape s = candidates[static_cast<size_t>(channels) % candidates.size()];
      s.channels = channels;
      Guarded<float> x(in_count(s), guard, offset), y(out_count(s), guard, offset);
      Guarded<uint8_t> argmax(out_count(s), guard, offset);
      fill_with_ties(x, static_cast<unsigned>(channels));
      row.run(x.data(), y.data(), argmax.data(), images, s);
      std::vector<double> xd(x.begin(), x.end()), expected(y.size());
      std::vector<uint8_t> expected_argmax(y.size());
      max_pool2d_forward_kernels<double>().back().run(xd.data(), expected.data(),
                                                      expected_argmax.data(), images, s);
      check_close(y, expected, [](size_t) { return 0.0; });
      check_close(argmax, expected_argmax, [](size_t) { return 0.0; });
      row.run(x.data(), y.data(), nullptr, images, s);
      check_close(y, expected, [](size_t) { return 0.0; });
    });
  });
}

TEST_CASE("max_pool2d backward rows agree with the double reference") {
  for_each_row(max_pool2d_backward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t channels, Guard guard, size_t offset) {
      const auto& candidates = windows();
      MaxPool2dShape s = candidates[static_cast<size_t>(channels) % candidates.size()];
      s.channels = channels;
      std::vector<double> xd(in_count(s)), yd(out_count(s)), expected(in_count(s)), magnitude;
      Guarded<float> dy(out_count(s), guard, offset), dx(in_count(s), guard, offset);
      Guarded<uint8_t> argmax(out_count(s), guard, offset);
      fill_with_ties(xd, static_cast<unsigned>(channels));
      fill_normal(dy, 3);
      max_pool2d_forward_kernels<double>().back().run(xd.data(), yd.data(), argmax.data(), images,
                                                      s);
      row.run(dy.data(), argmax.data(), dx.data(), images, s);
      std::vector<double> dyd(dy.begin(), dy.end()), dya(dyd);
      for (double& v : dya) v = std::abs(v);
      magnitude.resize(expected.size());
      const auto& reference = max_pool2d_backward_kernels<double>().back();
      reference.run(dyd.data(), argmax.data(), expected.data(), images, s);
      reference.run(dya.data(), argmax.data(), magnitude.data(), images, s);
      // Each sum has at most kernel^2 terms.
      const double relative = static_cast<double>(s.kernel * s.kernel) * epsilon;
      check_close(dx, expected, [&](size_t i) { return relative * magnitude[i]; });
    });
  });
}

TEST_CASE("max_pool2d rows give the same bits in both directions") {
  for (MaxPool2dShape s : windows()) {
    s.channels = 37;
    std::vector<float> x(in_count(s)), y(out_count(s)), dx(in_count(s));
    std::vector<uint8_t> argmax(y.size());
    fill_with_ties(x, 11);
    std::vector<float> dy(y.size()), first;
    fill_normal(dy, 12);
    max_pool2d_forward_kernels<float>().back().run(x.data(), y.data(), argmax.data(), images, s);
    for_each_row(max_pool2d_backward_kernels<float>(), [&](const auto& row) {
      row.run(dy.data(), argmax.data(), dx.data(), images, s);
      if (first.empty()) first = dx;
      CHECK(std::memcmp(dx.data(), first.data(), dx.size() * sizeof(float)) == 0);
    });
  }
}

TEST_CASE("max_pool2d rows treat NaN, infinities and ties as the contract says") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float inf = std::numeric_limits<float>::infinity();
  const MaxPool2dShape s = {2, 2, 1, 2, 2, 0};
  struct Case {
    float x[4];
    float y;
    int tap;
  };
  const Case cases[] = {
      {{1, 3, 3, 2}, 3, 1},       {{-inf, -inf, -inf, -inf}, -inf, 0}, {{0, nan, inf, 9}, nan, 1},
      {{nan, 2, nan, 1}, nan, 2}, {{-inf, 4, inf, 5}, inf, 2},         {{-0.0f, 0, -1, 0}, 0, 0},
  };
  for_each_row(max_pool2d_forward_kernels<float>(), [&](const auto& row) {
    for (const Case& one : cases) {
      float y = 7;
      uint8_t tap = 99;
      row.run(one.x, &y, &tap, 1, s);
      CHECK(agrees(y, one.y, 0.0));
      CHECK(int{tap} == one.tap);
    }
  });
}

TEST_CASE("max_pool2d gradients match finite differences") {
  unsigned seed = 1;
  for (const MaxPool2dShape& s : windows()) {
    if (s.kernel > 5) continue;
    const auto pool = [&](const auto& x) {
      return max_pool2d(x[0], s.kernel, s.stride, s.padding);
    };
    check_gradients(pool, {random_tensor({images, s.height, s.width, 3}, seed++)});
  }
}

TEST_CASE("max_pool2d in float agrees with double and with any number of threads") {
  const Tensor x = random_tensor({3, 28, 28, 64}, 5, DType::f32);
  const auto pool = [](const auto& in) { return max_pool2d(in[0], 3, 2, 1); };
  check_thread_counts_agree(pool, {x});
  const auto values = x.to_vector();
  const auto in_float = output_and_gradients(pool, {x});
  const auto in_double = output_and_gradients(pool, {Tensor::of(values, x.shape())});
  check_close(in_float[0].to_vector(), in_double[0].to_vector(), [](size_t) { return 0.0; });
  // A pixel lies in at most four windows; each of its terms is one rounding of a normal sample, and
  // none of these passes 8 deviations.
  check_close(in_float[1].to_vector(), in_double[1].to_vector(),
              [](size_t) { return 4 * 4 * 8 * epsilon; });
}

TEST_CASE("max_pool2d on a GPU agrees with the CPU") {
  for (const MaxPool2dShape& s : windows())
    for (int64_t channels : {1, 5})
      check_device_agrees(
          [&](const auto& x) { return max_pool2d(x[0], s.kernel, s.stride, s.padding); },
          {random_tensor({images, s.height, s.width, channels}, 1)},
          static_cast<double>(s.kernel * s.kernel));
}

TEST_CASE("max_pool2d refuses what it cannot take") {
  const Tensor x = Tensor::zeros({1, 4, 4, 2});
  CHECK_THROWS_WITH_AS(max_pool2d(x, 3, 2, 2),
                       "max_pool2d: padding is 2; expected 0 to 1, half the kernel", Error);
  CHECK_THROWS_AS(max_pool2d(x, 17, 1), Error);
  CHECK_THROWS_AS(max_pool2d(x, 0, 1), Error);
  CHECK_THROWS_AS(max_pool2d(x, 5, 1), Error);
  CHECK_THROWS_AS(max_pool2d(x, 2, 0), Error);
  CHECK_THROWS_AS(max_pool2d(Tensor::zeros({4, 4, 2}), 2, 2), Error);
  CHECK_THROWS_AS(max_pool2d(Tensor::zeros({1, 4, 4, 2}, DType::s16), 2, 2), Error);
  CHECK(max_pool2d(Tensor::zeros({0, 4, 4, 2}), 2, 2).shape() == Shape{0, 2, 2, 2});
}

}  // namespace espalier::test::max_pool2d_tests
