// Tensor cores and asynchronous copies on the emulated GPU, against the tables of the PTX ISA.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/simt/checks.h"
#include "kernels/simt/matrix.h"

namespace espalier::test {
namespace {

using namespace simt;

// ---- fragments, as "Matrix Fragments for mma" draws them: element i of a lane in its group ----

struct Place {
  unsigned row, column;
};

// m16n8k16 with elements of 16 bits.
struct Halves {
  static constexpr unsigned K = 16;
  using Raw = uint16_t;
  static Place a(unsigned group, unsigned in_group, unsigned i) {
    return {i < 2 || (i >= 4 && i < 6) ? group : group + 8,
            i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8};
  }
  static Place b(unsigned group, unsigned in_group, unsigned i) {
    return {i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8, group};
  }
};
struct Bf16 : Halves {
  static void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k16_bf16(d, a, b);
  }
};
struct F16 : Halves {
  static void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k16_f16(d, a, b);
  }
};
// m16n8k8 with elements of 32 bits.
struct Tf32 {
  static constexpr unsigned K = 8;
  using Raw = uint32_t;
  static Place a(unsigned group, unsigned in_group, unsigned i) {
    return {i % 2 == 0 ? group : group + 8, i < 2 ? in_group : in_group + 4};
  }
  static Place b(unsigned group, unsigned in_group, unsigned i) {
    return {i == 0 ? in_group : in_group + 4, group};
  }
  static void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k8_tf32(d, a, b);
  }
};
// m16n8k32 with elements of 8 bits.
struct S8 {
  static constexpr unsigned K = 32;
  using Raw = int8_t;
  static Place a(unsigned group, unsigned in_group, unsigned i) {
    return {i < 4 || (i >= 8 && i < 12) ? group : group + 8,
            i < 8 ? in_group * 4 + (i & 3) : in_group * 4 + (i & 3) + 16};
  }
  static Place b(unsigned group, unsigned in_group, unsigned i) {
    return {i < 4 ? in_group * 4 + (i & 3) : in_group * 4 + (i & 3) + 16, group};
  }
  static void mma(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k32_s8(d, a, b);
  }
};

// D [16, 8] += A [16, K] B [K, 8] by one warp.
template <class Type, class Sum>
__global__ void product_kernel(const typename Type::Raw* A, const typename Type::Raw* B, Sum* D) {
  using Raw = typename Type::Raw;
  constexpr unsigned in_register = sizeof(uint32_t) / sizeof(Raw);
  const unsigned group = lane_id() >> 2, in_group = lane_id() % 4;
  Raw a_elements[4 * in_register], b_elements[2 * in_register];
  for (unsigned i = 0; i < 4 * in_register; ++i) {
    const Place at = Type::a(group, in_group, i);
    a_elements[i] = A[at.row * Type::K + at.column];
  }
  for (unsigned i = 0; i < 2 * in_register; ++i) {
    const Place at = Type::b(group, in_group, i);
    b_elements[i] = B[at.row * 8 + at.column];
  }
  const auto place = [&](unsigned i) {
    return (i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1);
  };
  uint32_t a[4], b[2];
  std::memcpy(a, a_elements, sizeof a);
  std::memcpy(b, b_elements, sizeof b);
  Sum d[4];
  for (unsigned i = 0; i < 4; ++i) d[i] = D[place(i)];
  Type::mma(d, a, b);
  for (unsigned i = 0; i < 4; ++i) D[place(i)] = d[i];
}

// Whole numbers, whose sums of products any order gives alike; `raw` makes an element of one.
template <class Type, class Sum, class F>
void check_product(F raw, int largest) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> any(-largest, largest);
  const auto drawn = [&](size_t count) {
    std::vector<int> values(count);
    for (int& v : values) v = any(random);
    return values;
  };
  const std::vector<int> A = drawn(16 * Type::K), B = drawn(Type::K * 8), D = drawn(16 * 8);
  std::vector<typename Type::Raw> a, b;
  for (int v : A) a.push_back(raw(v));
  for (int v : B) b.push_back(raw(v));
  std::vector<Sum> d(D.begin(), D.end());
  launch(product_kernel<Type, Sum>, {.threads = 32}, a.data(), b.data(), d.data());
  CHECK(take_fault() == "");
  for (unsigned m = 0; m < 16; ++m)
    for (unsigned n = 0; n < 8; ++n) {
      int sum = D[m * 8 + n];
      for (unsigned k = 0; k < Type::K; ++k) sum += A[m * Type::K + k] * B[k * 8 + n];
      CHECK(d[m * 8 + n] == static_cast<Sum>(sum));
    }
}

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// A whole number of at most 11 bits, in binary16.
uint16_t f16_of(int value) {
  if (value == 0) return 0;
  int exponent = 0;
  const double mantissa = std::frexp(std::abs(value), &exponent);  // in [0.5, 1)
  const int bits = static_cast<int>(mantissa * 2048) - 1024;
  return static_cast<uint16_t>((value < 0 ? 0x8000 : 0) | (exponent + 14) << 10 | bits);
}

struct Rows {
  alignas(16) uint16_t values[32][8];
};

// Four matrices of 8 x 8, whose elements are their numbers; each lane's registers.
template <unsigned count, bool transposed>
__global__ void ldmatrix_kernel(uint32_t* registers) {
  Rows& rows = shared_memory<Rows>();
  for (unsigned i = 0; i < 8; ++i)
    rows.values[lane_id()][i] = static_cast<uint16_t>(lane_id() * 8 + i);
  sync_warp();
  uint32_t r[count];
  // Lanes past the last matrix are not asked.
  const uint32_t address = lane_id() < 8 * count ? shared_address(rows.values[lane_id()]) : 3;
  if constexpr (transposed)
    ldmatrix_trans(r, address);
  else
    ldmatrix(r, address);
  for (unsigned j = 0; j < count; ++j) registers[lane_id() * count + j] = r[j];
}

template <unsigned count, bool transposed>
void check_ldmatrix() {
  std::vector<uint32_t> registers(32 * count);
  launch(ldmatrix_kernel<count, transposed>, {.threads = 32}, registers.data());
  CHECK(take_fault() == "");
  for (unsigned lane_number = 0; lane_number < 32; ++lane_number)
    for (unsigned j = 0; j < count; ++j)
      for (unsigned i = 0; i < 2; ++i) {
        const unsigned major = lane_number / 4, minor = lane_number % 4 * 2 + i;
        const unsigned row = transposed ? minor : major, column = transposed ? major : minor;
        CHECK((registers[lane_number * count + j] >> 16 * i & 0xffff) == j * 64 + row * 8 + column);
      }
}

__global__ void misaligned_ldmatrix_kernel(int) {
  Rows& rows = shared_memory<Rows>();
  uint32_t r[1];
  ldmatrix(r, shared_address(&rows.values[lane_id()][4]));
}
__global__ void ldmatrix_past_the_end_kernel(int) {
  uint32_t r[1];
  ldmatrix(r, 48 << 10);
}

struct Copied {
  alignas(16) uint32_t values[3][4];
};

// What lies in shared memory before each wait and after it, of a lane's two groups of copies.
__global__ void copy_kernel(const uint32_t* from, uint32_t* seen) {
  Copied& to = shared_memory<Copied>();
  if (lane_id() != 0) return;
  const auto look = [&] {
    for (const auto& row : to.values)
      for (uint32_t value : row) *seen++ = value;
  };
  for (auto& row : to.values)
    for (uint32_t& value : row) value = 7;
  copy_async<16>(shared_address(to.values[0]), from, 16);
  commit_copies();
  copy_async<8>(shared_address(to.values[1]), from + 4, 8);
  copy_async<4>(shared_address(to.values[1] + 2), from + 6, 0);
  copy_async<16>(shared_address(to.values[2]), from + 8, 6);
  commit_copies();
  look();
  wait_for_copies<1>();
  look();
  wait_for_copies<0>();
  look();
}

__global__ void misaligned_copy_kernel(const uint32_t* from) {
  Copied& to = shared_memory<Copied>();
  copy_async<16>(shared_address(to.values[0]), from + 1, 16);
}

}  // namespace

TEST_CASE("tensor cores multiply fragments as the PTX ISA lays them out") {
  check_product<Bf16, float>(
      [](int v) { return static_cast<uint16_t>(bits_of(static_cast<float>(v)) >> 16); }, 128);
  check_product<F16, float>(f16_of, 500);
  check_product<Tf32, float>([](int v) { return bits_of(static_cast<float>(v)); }, 500);
  check_product<S8, int32_t>([](int v) { return static_cast<int8_t>(v); }, 127);
}

TEST_CASE("tensor cores read special values of binary16, and 10 bits of mantissa") {
  const auto product = [](uint16_t left, uint16_t right) {
    std::vector<uint16_t> a(16 * 16), b(16 * 8);
    std::vector<float> d(16 * 8);
    a[0] = left, b[0] = right;
    launch(product_kernel<F16, float>, {.threads = 32}, a.data(), b.data(), d.data());
    CHECK(take_fault() == "");
    return d[0];
  };
  constexpr uint16_t one = 0x3c00, smallest = 1, infinity = 0x7c00, nan = 0x7e00;
  CHECK(product(smallest, one) == 0x1p-24f);
  CHECK(product(0x8000 | smallest, one) == -0x1p-24f);
  CHECK(product(0x0400, one) == 0x1p-14f);
  CHECK(product(0x7bff, one) == 65504.0f);
  CHECK(product(infinity, one) == INFINITY);
  CHECK(std::isnan(product(infinity, 0)));
  CHECK(std::isnan(product(nan, one)));

  CHECK(round_to_tf32(1.0f) == bits_of(1.0f));
  CHECK(round_to_tf32(1 + 0x1p-11f) == bits_of(1 + 0x1p-10f));
  CHECK(round_to_tf32(-1 - 0x1p-11f) == bits_of(-1 - 0x1p-10f));
  CHECK(round_to_tf32(1 + 0x1p-12f) == bits_of(1.0f));
  CHECK(round_to_tf32(INFINITY) == bits_of(INFINITY));
  std::vector<uint32_t> a(16 * 8, bits_of(1 + 0x1p-11f)), b(8 * 8, bits_of(1.0f));
  std::vector<float> d(16 * 8);
  launch(product_kernel<Tf32, float>, {.threads = 32}, a.data(), b.data(), d.data());
  CHECK(take_fault() == "");
  CHECK(d[0] == 8.0f);
}

TEST_CASE("ldmatrix gives lanes the pairs of the PTX ISA") {
  check_ldmatrix<1, false>();
  check_ldmatrix<2, false>();
  check_ldmatrix<4, false>();
  check_ldmatrix<1, true>();
  check_ldmatrix<2, true>();
  check_ldmatrix<4, true>();
}

// Whoever looks before the wait commits a fault, where those are looked for.
TEST_CASE("asynchronous copies land at their wait, with zeros after what is present" *
          doctest::skip(checks::enabled)) {
  alignas(16) uint32_t from[12];
  for (uint32_t i = 0; i < 12; ++i) from[i] = 0x01010101 * (i + 1);
  uint32_t seen[3][12];
  launch(copy_kernel, {.threads = 32}, from, &seen[0][0]);
  CHECK(take_fault() == "");
  constexpr uint32_t under_way = 0xffffffff;
  for (unsigned i = 0; i < 12; ++i) {
    INFO("word ", i);
    const uint32_t landed = i == 6 || i == 10 || i == 11 ? 0
                            : i == 7                     ? 7
                            : i == 9                     ? from[i] & 0xffff
                                                         : from[i];
    CHECK(seen[0][i] == (i == 7 ? 7 : under_way));
    CHECK(seen[1][i] == (i < 4 ? landed : seen[0][i]));
    CHECK(seen[2][i] == landed);
  }
}

TEST_CASE("matrices and copies off their boundaries, or out of shared memory, are faults") {
  const auto fault_of = [](auto kernel, auto argument) {
    launch(kernel, {.threads = 32}, argument);
    return take_fault();
  };
  CHECK(fault_of(misaligned_ldmatrix_kernel, 0).find("ldmatrix of 16 bytes at ") == 0);
  CHECK(fault_of(ldmatrix_past_the_end_kernel, 0).find("ldmatrix of 16 bytes at 49152 of 49152") ==
        0);
  alignas(16) const uint32_t from[8] = {};
  CHECK(fault_of(misaligned_copy_kernel, from).find("copy_async reads 16 of 16 bytes") == 0);
}

}  // namespace espalier::test
