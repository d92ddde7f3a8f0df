#include "kernels/dropout/dropout.h"

#include "engine/ops/dropout.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/device_test.h"

namespace espalier::test::dropout_tests {
namespace {

constexpr float scale = 1.25f;

std::vector<uint8_t> mask_of(size_t count) {
  std::vector<uint8_t> keep(count);
  std::mt19937 engine(9);
  for (uint8_t& k : keep) k = engine() % 3 ? 1 : 0;
  return keep;
}

}  // namespace

TEST_CASE("dropout rows drop and scale exactly, at every width and start") {
  for_each_width([](int64_t width, Guard guard, size_t offset) {
    const int64_t rows = 3;
    const size_t count = static_cast<size_t>(rows * width);
    Guarded<float> x(count, guard, offset), y(count, guard, offset);
    Guarded<uint8_t> keep(count, guard, offset), row_keep(rows, guard, offset);
    fill_normal(x, 4);
    const auto mask = mask_of(count);
    std::copy(mask.begin(), mask.end(), keep.begin());
    row_keep[0] = row_keep[2] = 1;
    for_each_row(dropout_elements_kernels<float>(), [&](const auto& row) {
      row.run(x.data(), keep.data(), scale, y.data(), static_cast<int64_t>(count));
      for (size_t i = 0; i < count; ++i) CHECK(same_bits(y[i], keep[i] ? scale * x[i] : 0.0f));
    });
    for_each_row(dropout_rows_kernels<float>(), [&](const auto& row) {
      row.run(x.data(), row_keep.data(), scale, y.data(), rows, width);
      for (size_t i = 0; i < count; ++i)
        CHECK(same_bits(y[i], row_keep[i / static_cast<size_t>(width)] ? scale * x[i] : 0.0f));
    });
  });
}

TEST_CASE("dropout rows give +0 for whatever is dropped") {
  const auto& x = special_values();
  const std::vector<uint8_t> none(x.size(), 0);
  std::vector<float> y(x.size());
  for_each_row(dropout_elements_kernels<float>(), [&](const auto& row) {
    row.run(x.data(), none.data(), scale, y.data(), static_cast<int64_t>(x.size()));
    for (float v : y) CHECK(same_bits(v, 0.0f));
  });
  for_each_row(dropout_rows_kernels<float>(), [&](const auto& row) {
    row.run(x.data(), none.data(), scale, y.data(), 1, static_cast<int64_t>(x.size()));
    for (float v : y) CHECK(same_bits(v, 0.0f));
  });
}

TEST_CASE("dropout keeps the share it should and scales it") {
  const GeneratorScope scope(Generator(3));
  const int64_t count = 100'000;
  const double p = 0.3;
  const auto y = dropout(Tensor::full({count}, 1.0), p, true).to_vector();
  int64_t dropped = 0;
  for (double v : y) {
    if (v == 0)
      ++dropped;
    else
      CHECK(v == static_cast<double>(static_cast<float>(1 / (1 - p))));
  }
  // Five standard deviations of the binomial distribution.
  const double n = static_cast<double>(count);
  CHECK(std::abs(static_cast<double>(dropped) - p * n) <= 5 * std::sqrt(n * p * (1 - p)));
}

TEST_CASE("drop_path drops whole samples") {
  const GeneratorScope scope(Generator(4));
  const Tensor y = drop_path(Tensor::full({64, 3, 5}, 1.0), 0.5, true);
  const auto values = y.to_vector();
  int dropped = 0;
  for (size_t sample = 0; sample < 64; ++sample) {
    for (size_t i = 0; i < 15; ++i) CHECK(values[sample * 15 + i] == values[sample * 15]);
    dropped += values[sample * 15] == 0;
  }
  CHECK(dropped > 8);
  CHECK(dropped < 56);
}

TEST_CASE("dropout depends on the generator's place, not on threads") {
  const Tensor x = random_tensor({300, 301}, 1, DType::f32);
  const auto draw = [&](Generator generator) {
    const GeneratorScope scope(generator);
    return dropout(x, 0.4, true).to_vector();
  };
  const int before = num_threads();
  set_num_threads(1);
  const auto one = draw(Generator(5));
  set_num_threads(3);
  CHECK(draw(Generator(5)) == one);
  CHECK(draw(Generator(5, 1)) != one);
  set_num_threads(before);
  const GeneratorScope scope(Generator(5));
  dropout(x, 0.4, true);
  CHECK(current_generator().offset() == static_cast<uint64_t>(x.numel()));
  drop_path(x, 0.4, true);
  CHECK(current_generator().offset() == static_cast<uint64_t>(x.numel() + 300));
}

TEST_CASE("dropout and drop_path gradients match finite differences") {
  const auto seeded = [](Tensor (*op)(const Tensor&, double, bool)) {
    return [op](const std::vector<Tensor>& x) {
      const GeneratorScope scope(Generator(6));
      return op(x[0], 0.4, true);
    };
  };
  check_gradients(seeded(dropout), {random_tensor({6, 7}, 2)});
  check_gradients(seeded(drop_path), {random_tensor({6, 2, 3}, 3)});
}

TEST_CASE("dropout and drop_path on a GPU drop what they drop on the CPU") {
  if (cuda_device_count() == 0) return;
  for (const Shape& shape : {Shape{6, 7}, Shape{1, 1}, Shape{70, 9, 3}})
    for (auto op : {dropout, drop_path}) {
      const Tensor x = random_tensor(shape, 2, DType::f32), there = x.to(Device::cuda());
      const auto run = [&](const Tensor& in) {
        const GeneratorScope scope(Generator(6, 1, 37));
        return output_and_gradients([&](const auto& values) { return op(values[0], 0.4, true); },
                                    {in});
      };
      const auto expected = run(x), results = run(there);
      CHECK(results[0].to_vector() == expected[0].to_vector());
      CHECK(results[1].to_vector() == expected[1].to_vector());
    }
}

TEST_CASE("dropout is the identity when it is off, and refuses what it cannot take") {
  const Tensor x = Tensor::zeros({2, 2});
  CHECK(dropout(x, 0.5, false).same(x));
  CHECK(drop_path(x, 0, true).same(x));
  CHECK(drop_path(Tensor::zeros({0, 3}), 0.5, true).numel() == 0);
  CHECK(drop_path(Tensor::zeros({3, 0}), 0.5, true).numel() == 0);
  CHECK_THROWS_WITH_AS(dropout(x, 1.0, true),
                       "dropout: p is 1.000000; expected a probability in [0, 1); to drop "
                       "everything, leave the branch out",
                       Error);
  CHECK_THROWS_AS(dropout(x, -0.1, false), Error);
  CHECK_THROWS_AS(drop_path(Tensor::zeros({}), 0.1, true), Error);
  CHECK_THROWS_AS(dropout(Tensor::zeros({2}, DType::s8), 0.1, true), Error);
}

}  // namespace espalier::test::dropout_tests
