#include "kernels/max_pool2d_s8/max_pool2d_s8.h"

#include "engine/ops/max_pool2d.h"
#include "engine/ops/quantize.h"
#include "tests/device_test.h"

namespace espalier::test::max_pool2d_s8_tests {
namespace {

constexpr int64_t images = 2;

// Windows that overlap, touch and leave gaps, over images that they do not divide evenly.
constexpr MaxPool2dShape windows[] = {
    {7, 6, 1, 3, 2, 1},
    {6, 7, 1, 2, 2, 0},
    {4, 5, 1, 2, 3, 1},
    {1, 1, 1, 3, 2, 1},
};

}  // namespace

TEST_CASE("max_pool2d_s8 rows equal the maximum of the numbers in double") {
  for_each_row(max_pool2d_s8_kernels(), [](const auto& row) {
    for_each_width([&](int64_t channels, Guard guard, size_t offset) {
      MaxPool2dShape s = windows[channels % 4];
      s.channels = channels;
      const auto in = static_cast<size_t>(images * s.in_size());
      const auto out = static_cast<size_t>(images * s.out_size());
      Guarded<int8_t> x(in, guard, offset), y(out, guard, offset);
      fill_normal(x, static_cast<unsigned>(channels), 40);
      if (in) x[0] = -128, x[in - 1] = 127;
      row.run(x.data(), y.data(), images, s);
      std::vector<double> xd(x.begin(), x.end()), expected(out);
      max_pool2d_forward_kernels<double>().back().run(xd.data(), expected.data(), nullptr, images,
                                                      s);
      check_close(y, expected, [](size_t) { return 0.0; });
    });
  });
}

TEST_CASE("max_pool2d of codes is the code of the maximum, on any number of threads") {
  const Tensor x = random_tensor({40, 9, 9, 48}, 5, DType::f32);
  const auto code = [](const Tensor& t) { return quantize(t, 0.02, -3, DType::s8); };
  const Tensor expected = code(max_pool2d(x, 3, 2, 1));
  const int before = num_threads();
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    CHECK(max_pool2d(code(x), 3, 2, 1).to_vector() == expected.to_vector());
  }
  set_num_threads(before);
}

TEST_CASE("max_pool2d of codes on a GPU gives the CPU's") {
  const Tensor x = quantize(random_tensor({3, 9, 8, 5}, 5, DType::f32), 0.02, -3, DType::s8);
  check_device_gives_the_same([](const auto& in) { return max_pool2d(in[0], 3, 2, 1); }, {x});
}

}  // namespace espalier::test::max_pool2d_s8_tests
