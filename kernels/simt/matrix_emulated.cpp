// The last lane of a warp computes a collective, from the registers of all 32.
#include <cmath>
#include <cstring>

#include "kernels/simt/checks.h"
#include "kernels/simt/elements_emulated.h"
#include "kernels/simt/matrix.h"

namespace espalier::simt {
namespace {

constexpr unsigned M = 16, N = 8;

// What one lane brings to a product.
template <class D>
struct Fragments {
  D* d;
  const uint32_t *a, *b;
};

// D += A B, its lanes' registers laid out as kernels/simt/matrix.h says.
template <class Element>
void multiply(Lane* const* lanes) {
  using Raw = typename Element::Raw;
  using Value = typename Element::Value;
  using D = typename Element::Sum;
  constexpr unsigned p = sizeof(uint32_t) / sizeof(Raw), K = 8 * p;
  Value A[M][K], B[K][N];
  const auto of = [&](unsigned lane_number) {
    return *static_cast<const Fragments<D>*>(lanes[lane_number]->collective_slot);
  };
  for (unsigned lane_number = 0; lane_number < warp_size; ++lane_number) {
    const unsigned g = lane_number / 4, t = lane_number % 4;
    Raw a[4][p], b[2][p];
    std::memcpy(a, of(lane_number).a, sizeof a);
    std::memcpy(b, of(lane_number).b, sizeof b);
    for (unsigned i = 0; i < p; ++i) {
      for (unsigned r = 0; r < 4; ++r)
        A[g + 8 * (r % 2)][p * t + 4 * p * (r / 2) + i] = Element::value(a[r][i]);
      for (unsigned r = 0; r < 2; ++r) B[p * t + 4 * p * r + i][g] = Element::value(b[r][i]);
    }
  }
  Value sums[M][N] = {};
  for (unsigned m = 0; m < M; ++m)
    for (unsigned k = 0; k < K; ++k)
      for (unsigned n = 0; n < N; ++n) sums[m][n] += A[m][k] * B[k][n];
  for (unsigned lane_number = 0; lane_number < warp_size; ++lane_number)
    for (unsigned r = 0; r < 4; ++r) {
      D& d = of(lane_number).d[r];
      d = added(d, sums[lane_number / 4 + 8 * (r / 2)][lane_number % 4 * 2 + r % 2]);
    }
}

template <class Element, class D>
void mma(const char* what, D (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Fragments<D> own{d, a, b};
  collective(what, &own, [](Lane* const* lanes) { multiply<Element>(lanes); });
}

constexpr unsigned row_bytes = 16, rows_of_matrix = 8;

struct LoadSlot {
  uint32_t* registers;
  uint32_t address;
};

}  // namespace

void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mma<Bf16Element>("mma_m16n8k16_bf16", d, a, b);
}
void mma_m16n8k16_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mma<F16Element>("mma_m16n8k16_f16", d, a, b);
}
void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mma<Tf32Element>("mma_m16n8k8_tf32", d, a, b);
}
void mma_m16n8k32_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mma<S8Element>("mma_m16n8k32_s8", d, a, b);
}

uint32_t round_to_tf32(float value) {
  const uint32_t bits = bits_as<uint32_t>(value);
  return std::isfinite(value) ? (bits + 0x1000u) & 0xffffe000u : bits;
}

void load_matrices(uint32_t* r, unsigned count, uint32_t address, bool transposed) {
  const unsigned lane_number = lane->number % warp_size;
  if (lane_number < count * rows_of_matrix) {
    check_shared("ldmatrix", address, row_bytes);
    if (checks::enabled) checks::use(lane->shared + address, row_bytes, checks::Use::read);
  }
  LoadSlot own{r, address};
  collective(transposed ? "ldmatrix_trans" : "ldmatrix", &own, [&](Lane* const* lanes) {
    const auto slot = [&](unsigned i) { return static_cast<LoadSlot*>(lanes[i]->collective_slot); };
    for (unsigned j = 0; j < count; ++j) {
      uint16_t matrix[rows_of_matrix][rows_of_matrix];
      for (unsigned i = 0; i < rows_of_matrix; ++i)
        std::memcpy(matrix[i], lane->shared + slot(j * rows_of_matrix + i)->address, row_bytes);
      for (unsigned i = 0; i < warp_size; ++i) {
        const unsigned g = i / 4, t = i % 4;
        const uint16_t low = transposed ? matrix[2 * t][g] : matrix[g][2 * t];
        const uint16_t high = transposed ? matrix[2 * t + 1][g] : matrix[g][2 * t + 1];
        slot(i)->registers[j] = low | uint32_t{high} << 16;
      }
    }
  });
}

// Until it lands nobody may use what lies at its target.
void start_copy(uint32_t to, const void* from, unsigned bytes, unsigned present) {
  check_shared("copy_async", to, bytes);
  if (reinterpret_cast<uintptr_t>(from) % bytes != 0 || present > bytes)
    fault("copy_async reads " + std::to_string(present) + " of " + std::to_string(bytes) +
          " bytes at an address that is no multiple of them");
  std::memset(lane->shared + to, 0xff, bytes);
  if (checks::enabled) {
    checks::use(lane->shared + to, bytes, checks::Use::write);
    checks::forget(lane->shared + to, bytes);
  }
  lane->copies.push_back({to, from, bytes, present, lane->copy_group});
}

void commit_copies() { ++lane->copy_group; }

void end_copies(unsigned groups_left) {
  std::vector<AsyncCopy>& copies = lane->copies;
  const auto landed = [&](const AsyncCopy& c) { return c.group + groups_left < lane->copy_group; };
  size_t done = 0;
  for (; done < copies.size() && landed(copies[done]); ++done) {
    const AsyncCopy& copy = copies[done];
    if (checks::enabled) {
      checks::use(copy.from, copy.present, checks::Use::read);
      checks::use(lane->shared + copy.to, copy.bytes, checks::Use::write);
    }
    std::memcpy(lane->shared + copy.to, copy.from, copy.present);
    std::memset(lane->shared + copy.to + copy.present, 0, copy.bytes - copy.present);
  }
  copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace espalier::simt
