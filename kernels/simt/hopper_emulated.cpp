#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/simt/checks.h"
#include "kernels/simt/elements_emulated.h"
#include "kernels/simt/hopper.h"

namespace espalier::simt {
namespace {

constexpr unsigned row_bytes = 128, chunk_bytes = 16;

// Swizzles of 128 bytes: bits 4 to 6 of an address are mixed with bits 7 to 9.
uint32_t swizzled(uint32_t address) { return address ^ (address >> 7 & 7) << 4; }

// ---- barriers ----

// What the 8 bytes of a barrier hold: arrivals that its phase still waits for and those that the
// next will, bytes that are under way, and the parity of the phase.
struct Barrier {
  uint64_t pending : 20, arrivals : 20, parity : 1;
  int64_t bytes : 23;
};
static_assert(sizeof(Barrier) == sizeof(uint64_t));

template <class F>
void change_barrier(uint32_t address, F f) {
  check_shared("a barrier", address, sizeof(Barrier));
  Barrier barrier;
  std::memcpy(&barrier, lane->shared + address, sizeof barrier);
  f(barrier);
  if (barrier.pending == 0 && barrier.bytes == 0) {
    barrier.parity ^= 1u;
    barrier.pending = barrier.arrivals;
  }
  std::memcpy(lane->shared + address, &barrier, sizeof barrier);
}

void arrive(uint32_t address, unsigned bytes) {
  if (checks::enabled) checks::release(address);
  change_barrier(address, [&](Barrier& barrier) {
    if (barrier.pending == 0) fault("more threads arrive at a barrier than it was made for");
    barrier.bytes += static_cast<int64_t>(bytes);
    --barrier.pending;
  });
}

bool is_over(uint32_t address, unsigned parity) {
  Barrier barrier;
  std::memcpy(&barrier, lane->shared + address, sizeof barrier);
  return barrier.parity != parity;
}

// ---- copies of boxes: each lands when somebody waits at its barrier ----

struct BoxCopy {
  uint64_t cluster;
  unsigned char* shared;
  uint32_t to, barrier;
  TensorMap map;
  int64_t column, row;

  bool concerns(uint32_t waited) const {
    return cluster == running.cluster && shared == lane->shared && barrier == waited;
  }
};
std::vector<BoxCopy>& under_way() {
  static std::vector<BoxCopy>& copies = *new std::vector<BoxCopy>;
  return copies;
}

void land(const BoxCopy& copy) {
  const TensorMap& map = copy.map;
  const int64_t width = map.columns * map.element;  // bytes
  for (unsigned r = 0; r < map.box_rows; ++r)
    for (unsigned c = 0; c < row_bytes; ++c) {
      const int64_t row = copy.row + r, at = copy.column * map.element + c;
      const bool inside = row >= 0 && row < map.rows && at >= 0 && at < width;
      copy.shared[swizzled(copy.to + r * row_bytes + c)] =
          inside ? map.data[row * map.row_stride + at] : 0;
    }
  const unsigned bytes = map.box_rows * row_bytes;
  if (checks::enabled) checks::remember(copy.shared + copy.to, bytes);
  change_barrier(copy.barrier, [&](Barrier& barrier) { barrier.bytes -= bytes; });
}

void land_at(uint32_t barrier) {
  std::vector<BoxCopy>& copies = under_way();
  for (const BoxCopy& copy : copies)
    if (copy.concerns(barrier)) land(copy);
  copies.erase(std::remove_if(copies.begin(), copies.end(),
                              [&](const BoxCopy& copy) {
                                return copy.cluster != running.cluster || copy.concerns(barrier);
                              }),
               copies.end());
}

// ---- products ----

constexpr unsigned M = 64, N = 256, k_bytes = 32;

// A matrix whose rows hold 32 bytes of k, where a descriptor says.
class Described {
 public:
  explicit Described(uint64_t descriptor)
      : start_(static_cast<uint32_t>(descriptor & 0x3fff) << 4),
        between_groups_(static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4) {
    if (descriptor >> 62 != 1 || descriptor >> 49 & 7)
      fault("a matrix descriptor without swizzles of 128 bytes, or with a base offset");
  }
  uint32_t address(unsigned row, unsigned byte) const {
    return swizzled(start_ + row / 8 * between_groups_ + row % 8 * row_bytes + byte);
  }
  template <class Raw>
  Raw element(unsigned row, unsigned k) const {
    Raw raw;
    std::memcpy(&raw, lane->shared + address(row, k * sizeof(Raw)), sizeof raw);
    return raw;
  }
  // What each of a warpgroup's lanes answers for of `rows` rows.
  void check(unsigned rows) const {
    for (unsigned i = lane->number % warpgroup_size; i < rows * 2; i += warpgroup_size) {
      const uint32_t chunk = address(i / 2, i % 2 * chunk_bytes);
      check_shared("wgmma", chunk, chunk_bytes);
      if (checks::enabled) checks::use(lane->shared + chunk, chunk_bytes, checks::Use::read);
    }
  }

 private:
  uint32_t start_, between_groups_;
};

template <class Element>
void multiply(Lane* const* lanes, size_t index) {
  using Raw = typename Element::Raw;
  using Value = typename Element::Value;
  constexpr unsigned K = k_bytes / sizeof(Raw);
  const AsyncProduct& product = lanes[0]->products[index];
  const Described a(product.a), b(product.b);
  Value right[K][N], sums[N];
  for (unsigned n = 0; n < N; ++n)
    for (unsigned k = 0; k < K; ++k) right[k][n] = Element::value(b.element<Raw>(n, k));
  for (unsigned m = 0; m < M; ++m) {
    std::fill(std::begin(sums), std::end(sums), Value(0));
    for (unsigned k = 0; k < K; ++k) {
      const Value left = Element::value(a.element<Raw>(m, k));
      for (unsigned n = 0; n < N; ++n) sums[n] += left * right[k][n];
    }
    for (unsigned n = 0; n < N; ++n) {
      const unsigned thread = m / 16 * warp_size + m % 8 * 4 + n % 8 / 2;
      const unsigned r = n / 8 * 4 + m % 16 / 8 * 2 + n % 2;
      auto& d = static_cast<typename Element::Sum*>(lanes[thread]->products[index].d)[r];
      d = added(product.accumulate ? d : typename Element::Sum(0), sums[n]);
    }
  }
}

template <class Element>
void start_product(const char* what, typename Element::Sum* d, uint64_t a, uint64_t b,
                   bool accumulate) {
  Described(a).check(M);
  Described(b).check(N);
  lane->products.push_back({a, b, d, accumulate, lane->product_group, multiply<Element>});
  warpgroup_collective(what, nullptr, [](Lane* const* lanes) {
    const AsyncProduct& first = lanes[0]->products.back();
    for (unsigned i = 1; i < warpgroup_size; ++i) {
      const AsyncProduct& own = lanes[i]->products.back();
      if (own.a != first.a || own.b != first.b || own.accumulate != first.accumulate)
        fault("lanes of a warpgroup multiply by different descriptors");
    }
  });
}

}  // namespace

void barrier_init(uint32_t address, unsigned arrivals) {
  check_shared("a barrier", address, sizeof(Barrier));
  const Barrier barrier{arrivals, arrivals, 0, 0};
  std::memcpy(lane->shared + address, &barrier, sizeof barrier);
}
void barrier_arrive(uint32_t address) { arrive(address, 0); }
void barrier_arrive_expecting(uint32_t address, unsigned bytes) { arrive(address, bytes); }
void barrier_wait(uint32_t address, unsigned parity) {
  check_shared("a barrier", address, sizeof(Barrier));
  wait_until([&] {
    land_at(address);
    return is_over(address, parity);
  });
  if (checks::enabled) checks::acquire(address);
}

bool make_tensor_map(TensorMap& map, const void* data, unsigned element, int64_t columns,
                     int64_t rows, int64_t row_stride, unsigned box_rows) {
  constexpr int64_t boundary = 16, most_box_rows = 256;
  map = {static_cast<const unsigned char*>(data), element, columns, rows, row_stride, box_rows};
  return reinterpret_cast<uintptr_t>(data) % boundary == 0 && row_stride % boundary == 0 &&
         columns > 0 && rows > 0 && box_rows <= most_box_rows && (element == 1 || element == 2);
}

void load_box(uint32_t to, const TensorMap& map, int64_t column, int64_t row, uint32_t barrier) {
  constexpr uint32_t boundary = 1024;
  const unsigned bytes = map.box_rows * row_bytes;
  if (to % boundary != 0 || to + bytes > running.shared_bytes)
    fault("a box of " + std::to_string(bytes) + " bytes for " + std::to_string(to) +
          " of shared memory; a multiple of 1024 that holds it");
  std::memset(lane->shared + to, 0xff, bytes);
  if (checks::enabled) {
    checks::use(lane->shared + to, bytes, checks::Use::write);
    checks::forget(lane->shared + to, bytes);
    checks::release(barrier);
  }
  under_way().push_back({running.cluster, lane->shared, to, barrier, map, column, row});
}

void wgmma_begin() {
  warpgroup_collective("wgmma_begin", nullptr, [](Lane* const*) {});
}
void wgmma_m64n256k16_bf16(float (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
  start_product<Bf16Element>("wgmma_m64n256k16_bf16", d, a, b, accumulate);
}
void wgmma_m64n256k16_f16(float (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
  start_product<F16Element>("wgmma_m64n256k16_f16", d, a, b, accumulate);
}
void wgmma_m64n256k32_s8(int32_t (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
  start_product<S8Element>("wgmma_m64n256k32_s8", d, a, b, accumulate);
}
void wgmma_commit() { ++lane->product_group; }

void end_products(unsigned groups_left) {
  const auto ended = [&](const AsyncProduct& p) {
    return p.group + groups_left < lane->product_group;
  };
  std::vector<AsyncProduct>& own = lane->products;
  const auto first_left = std::find_if_not(own.begin(), own.end(), ended);
  const auto count = static_cast<size_t>(first_left - own.begin());
  warpgroup_collective("wgmma_wait", nullptr, [&](Lane* const* lanes) {
    for (size_t i = 0; i < count; ++i) lanes[0]->products[i].run(lanes, i);
  });
  own.erase(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace espalier::simt
