#include "kernels/cast/cast.h"

#include "engine/ops/cast.h"
#include "engine/ops/view.h"
#include "tests/device_test.h"

namespace espalier::test::cast_tests {
namespace {

template <class To, class From>
To cast_one(From x) {
  To y{};
  cast_kernels<From, To>().back().run(&x, &y, 1);
  return y;
}

// Half precision by its definition: significand times a power of two.
double value_of(uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction ? std::numeric_limits<double>::quiet_NaN()
                    : sign * std::numeric_limits<double>::infinity();
  const int implicit = exponent ? 1 << fraction_bits : 0;
  return sign * std::ldexp(implicit + fraction, std::max(exponent, 1) - bias - fraction_bits);
}

double value_of(Float16 x) { return value_of(x.bits, 5); }
double value_of(BFloat16 x) { return value_of(x.bits, 8); }

// Every half, and what lies just beside the midpoint of it and the next larger one, from both
// floating-point types: round to nearest even by the order of the bit patterns.
template <class Half>
void check_half(uint16_t infinity) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half half{static_cast<uint16_t>(bits)};
    const double value = value_of(half);
    INFO("bits ", bits);
    CHECK(agrees(cast_one<double>(half), value, 0));
    CHECK(agrees(cast_one<float>(half), value, 0));
    if (std::isnan(value)) {
      CHECK(std::isnan(value_of(cast_one<Half>(value))));
      CHECK(std::isnan(value_of(cast_one<Half>(static_cast<float>(value)))));
      continue;
    }
    CHECK(cast_one<Half>(value).bits == bits);
    if ((bits & 0x7fff) >= infinity) continue;
    const Half next{static_cast<uint16_t>(bits + 1)};
    // Past the largest half stands what would be the next power of two.
    const double above = (next.bits & 0x7fff) == infinity
                             ? 2 * value - value_of(Half{static_cast<uint16_t>(bits - 1)})
                             : value_of(next);
    const double middle = (value + above) / 2, far = std::copysign(INFINITY, value);
    const uint16_t even = bits & 1 ? next.bits : half.bits;
    CHECK(cast_one<Half>(middle).bits == even);
    CHECK(cast_one<Half>(std::nextafter(middle, far)).bits == next.bits);
    CHECK(cast_one<Half>(std::nextafter(middle, 0.0)).bits == half.bits);
    const float single = static_cast<float>(middle);
    if (single != middle) continue;
    CHECK(cast_one<Half>(single).bits == even);
    CHECK(cast_one<Half>(std::nextafter(single, static_cast<float>(far))).bits == next.bits);
    CHECK(cast_one<Half>(std::nextafter(single, 0.0f)).bits == half.bits);
  }
}

template <class From, class... To>
void check_widths() {
  const auto check = [](auto target) {
    using T = decltype(target);
    for_each_width([](int64_t width, Guard guard, size_t) {
      Guarded<From> x(static_cast<size_t>(width), guard);
      Guarded<T> y(static_cast<size_t>(width), guard);
      for (size_t i = 0; i < x.size(); ++i) x[i] = cast_one<From>(static_cast<int32_t>(i % 2));
      cast_kernels<From, T>().back().run(x.data(), y.data(), width);
      for (size_t i = 0; i < y.size(); ++i)
        if (cast_one<int32_t>(y[i]) != static_cast<int32_t>(i % 2)) CHECK(false);
    });
  };
  (check(To{}), ...);
}

// Every row gives the bits of the scalar one, whatever the values, width and alignment.
template <class From, class To>
void check_rows(const std::vector<From>& values) {
  for_each_row(cast_kernels<From, To>(), [&](const auto& row) {
    std::vector<To> all(values.size());
    row.run(values.data(), all.data(), static_cast<int64_t>(values.size()));
    int64_t wrong = 0;
    for (size_t i = 0; i < values.size(); ++i) wrong += !same_bits(all[i], cast_one<To>(values[i]));
    CHECK(wrong == 0);
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      Guarded<From> x(static_cast<size_t>(width), guard, offset);
      Guarded<To> y(static_cast<size_t>(width), guard, offset);
      for (size_t i = 0; i < x.size(); ++i) x[i] = values[(i * 7 + offset) % values.size()];
      row.run(x.data(), y.data(), width);
      for (size_t i = 0; i < y.size(); ++i) CHECK(same_bits(y[i], cast_one<To>(x[i])));
    });
  });
}

template <class Half>
void check_half_rows() {
  std::vector<Half> halves;
  std::vector<float> floats = special_values();
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    halves.push_back({static_cast<uint16_t>(bits)});
    // Each half, what lies around the middle to the next, and NaNs of many payloads.
    const float value = cast_one<float>(halves.back());
    for (uint32_t low : {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x7fffu, 0x8000u, 0x8001u})
      floats.push_back(cast_detail::float_of(cast_detail::bits_of(value) + low));
  }
  check_rows<Half, float>(halves);
  check_rows<float, Half>(floats);
}

template <class... T>
void check_every_pair() {
  (check_widths<T, T...>(), ...);
}

}  // namespace

TEST_CASE("cast rounds to half precision as IEEE 754 says, for every half") {
  check_half<Float16>(0x7c00);
  check_half<BFloat16>(0x7f80);
}

TEST_CASE("cast rows between float and halves give the bits of the scalar row") {
  check_half_rows<Float16>();
  check_half_rows<BFloat16>();
}

TEST_CASE("cast converts every pair of types over all widths") {
  check_every_pair<float, double, Float16, BFloat16, int8_t, uint8_t, int16_t, int32_t, int64_t,
                   bool>();
}

TEST_CASE("cast saturates, truncates and wraps as the contract says") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), huge = 1e30f;
  CHECK(cast_one<int32_t>(-2.9f) == -2);
  CHECK(cast_one<int32_t>(2.9) == 2);
  CHECK(cast_one<int32_t>(huge) == std::numeric_limits<int32_t>::max());
  CHECK(cast_one<int32_t>(-huge) == std::numeric_limits<int32_t>::min());
  CHECK(cast_one<int64_t>(huge) == std::numeric_limits<int64_t>::max());
  CHECK(cast_one<int64_t>(-huge) == std::numeric_limits<int64_t>::min());
  CHECK(cast_one<int64_t>(9.007199254740993e15) == 9007199254740992);
  CHECK(cast_one<int32_t>(2147483647.5) == 2147483647);
  CHECK(cast_one<int32_t>(2147483646.5) == 2147483646);
  CHECK(cast_one<uint8_t>(255.9f) == 255);
  CHECK(cast_one<uint8_t>(-1.0f) == 0);
  CHECK(cast_one<int8_t>(-128.5f) == -128);
  CHECK(cast_one<int8_t>(nan) == 0);
  CHECK(cast_one<uint8_t>(int64_t{-1}) == 255);
  CHECK(cast_one<int8_t>(int32_t{0x1ff}) == -1);
  CHECK(cast_one<bool>(0.25f));
  CHECK(cast_one<bool>(nan));
  CHECK(cast_one<bool>(int32_t{256}));
  CHECK(!cast_one<bool>(-0.0f));
  CHECK(cast_one<float>(1e300) == std::numeric_limits<float>::infinity());
  CHECK(cast_one<Float16>(std::numeric_limits<double>::max()).bits == 0x7c00);
  CHECK(cast_one<BFloat16>(-std::numeric_limits<double>::max()).bits == 0xff80);
  CHECK(cast_one<Float16>(-1e-300).bits == 0x8000);
}

TEST_CASE("conversions on a GPU give the CPU's bits") {
  if (cuda_device_count() == 0) return;
  const Tensor x = random_tensor({7, 70}, 2, DType::f32, 100.0);
  for (DType from : {DType::f32, DType::f64, DType::s8, DType::s64})
    for (DType to_dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::s8, DType::u8,
                           DType::s16, DType::s32, DType::s64, DType::boolean}) {
      INFO(dtype_name(from), " to ", dtype_name(to_dtype));
      const Tensor start = to(x, from), here = to(start, to_dtype);
      const Tensor there = to(start.to(Device::cuda()), to_dtype).to(Device::cpu());
      const size_t bytes = static_cast<size_t>(here.numel()) * dtype_size(to_dtype);
      CHECK(std::memcmp(here.bytes(), there.bytes(), bytes) == 0);
    }
}

TEST_CASE("to converts tensors and their gradients") {
  const Tensor x = random_tensor({4, 3}, 1);
  CHECK(to(x, DType::f64).same(x));
  const Tensor y = to(transpose(x, 0, 1), DType::f32);
  CHECK(y.to_vector()[1] == static_cast<float>(x.to_vector()[3]));
  CHECK(to(to(x, DType::bf16), DType::f32).dtype() == DType::f32);
  x.set_requires_grad();
  CHECK(!to(x, DType::s32).requires_grad());
  backward(to(x, DType::f32), {.seed = Tensor::full({4, 3}, 0.5)});
  CHECK(x.grad().dtype() == DType::f64);
  CHECK(x.grad().to_vector() == std::vector<double>(12, 0.5));
  CHECK_THROWS_AS(to(Tensor(), DType::f32), Error);
}

}  // namespace espalier::test::cast_tests
