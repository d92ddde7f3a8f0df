// What every kernel test needs: memory with guard pages, every row that runs here, special values,
// and the comparison of a row with the double-precision reference.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "kernels/isa.h"

namespace espalier::test {

// Pages of zeros between two that are inaccessible. They stay mapped, for the next who asks for as
// many: a test takes them hundreds of thousands of times.
class GuardedPages {
 public:
  explicit GuardedPages(size_t bytes)
      : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))),
        inside_((bytes + page_) / page_ * page_),
        base_(take()) {}
  ~GuardedPages() { unused(inside_).push_back(base_); }
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  char* begin() const { return base_ + page_; }
  char* end() const { return begin() + inside_; }

 private:
  static std::vector<char*>& unused(size_t inside) {
    thread_local std::unordered_map<size_t, std::vector<char*>> pages;
    return pages[inside];
  }
  char* take() const {
    auto& there = unused(inside_);
    if (there.empty()) return mapped();
    char* base = there.back();
    there.pop_back();
    std::memset(base + page_, 0, inside_);
    return base;
  }
  char* mapped() const {
    void* base = mmap(nullptr, inside_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    mprotect(static_cast<char*>(base) + page_, inside_, PROT_READ | PROT_WRITE);
    return static_cast<char*>(base);
  }

  size_t page_, inside_;
  char* base_;
};

// `count` values that end (or start) exactly at an inaccessible page, so that one element too far
// is a crash. `offset` moves a front-guarded start off its alignment by whole elements.
enum class Guard { front, back };

template <class T>
class Guarded {
 public:
  explicit Guarded(size_t count, Guard guard = Guard::back, size_t offset = 0)
      : count_(count), pages_((count + offset) * sizeof(T)) {
    char* first = guard == Guard::front ? pages_.begin() + offset * sizeof(T)
                                        : pages_.end() - count * sizeof(T);
    data_ = reinterpret_cast<T*>(first);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + count_; }

 private:
  size_t count_;
  GuardedPages pages_;
  T* data_;
};

// Fills with a reproducible normal sample, within what an integer type holds.
template <class Range>
void fill_normal(Range& values, unsigned seed, double deviation = 1.0) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal(0.0, deviation);
  for (auto& v : values) {
    using V = std::remove_reference_t<decltype(v)>;
    double drawn = normal(engine);
    if constexpr (std::is_integral_v<V>)
      drawn = std::clamp(drawn, static_cast<double>(std::numeric_limits<V>::min()),
                         static_cast<double>(std::numeric_limits<V>::max()));
    v = static_cast<V>(drawn);
  }
}

inline const std::vector<float>& special_values() {
  using limits = std::numeric_limits<float>;
  static const std::vector<float> values = {0.0f,
                                            -0.0f,
                                            limits::denorm_min(),
                                            -limits::denorm_min(),
                                            limits::min(),
                                            -limits::min(),
                                            1.0f,
                                            -1.0f,
                                            limits::max(),
                                            limits::lowest(),
                                            limits::infinity(),
                                            -limits::infinity(),
                                            limits::quiet_NaN()};
  return values;
}

// Calls f(row) for every row of a table that this machine may run, with its name as context: rows
// for a GPU too, where one can read the processor's memory, as the emulated one does. Where an
// instruction set is forced only its best row runs, since each of the others has its own turn.
template <class Row, class F>
void for_each_row(std::span<const Row> rows, F f) {
  const bool one = std::getenv("ESPALIER_ISA") != nullptr;
  bool done = false;
  for (const Row& row : rows) {
    const bool gpu = row.isa == Isa::cuda;
    if (gpu ? !gpu_reads_host_memory() : !isa_allowed(row.isa) || (one && done)) continue;
    done |= !gpu;
    INFO("row: ", std::string(isa_name(row.isa)));
    const DeviceScope device(gpu ? Device::cuda() : Device::cpu());
    cuda::context.waits = true;
    f(row);
    if (gpu) CHECK_NOTHROW(check_launches("a kernel"));
  }
}

// Rows that give each other's bits where a contract says so of SIMD rows.
inline bool is_simd(Isa isa) { return isa != Isa::scalar && isa != Isa::cuda; }

// Calls f(width, guard, offset) over widths 0 to 67, both guards, and misaligned starts.
template <class F>
void for_each_width(F f) {
  for (int64_t width = 0; width <= 67; ++width) {
    INFO("width: ", width);
    f(width, Guard::back, size_t{0});
    for (size_t offset : {size_t{0}, size_t{1}, size_t{3}}) f(width, Guard::front, offset);
  }
}

template <class T>
bool same_bits(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

// True when both are NaN, equal, or within `bound` of each other.
inline bool agrees(double value, double reference, double bound) {
  if (std::isnan(reference)) return std::isnan(value);
  if (std::isinf(reference) || std::isinf(value)) return value == reference;
  return std::abs(value - reference) <= bound;
}

// The distance between floats at |reference|.
inline double ulp(double reference) {
  const double size = std::abs(reference);
  if (!(size >= std::numeric_limits<float>::min())) return std::numeric_limits<float>::denorm_min();
  return std::ldexp(1.0, std::ilogb(size) - 23);
}

// Checks each value against its reference within bound(i), a formula of the caller's.
template <class Values, class References, class Bound>
void check_close(const Values& values, const References& references, Bound bound) {
  for (size_t i = 0; i < references.size(); ++i) {
    const double value = static_cast<double>(values[i]);
    const double reference = static_cast<double>(references[i]);
    if (agrees(value, reference, bound(i))) continue;
    INFO("at ", i, ": got ", value, ", reference ", reference, ", bound ", bound(i));
    CHECK(false);
    return;
  }
}

constexpr double epsilon = std::numeric_limits<float>::epsilon();

}  // namespace espalier::test
