// What a kernel's benchmark consists of. Each kernel has a file of cases here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engine/dtype.h"
#include "engine/storage.h"
#include "kernels/isa.h"

namespace espalier::bench {

// Of one run of a case. Bytes are those that must move: every operand once.
struct Work {
  double operations, bytes, elements;
};

// Operands lie as those of tensors do.
template <class T>
struct LikeTensors {
  using value_type = T;
  LikeTensors() = default;
  template <class U>
  LikeTensors(const LikeTensors<U>&) noexcept {}
  T* allocate(size_t count) {
    return reinterpret_cast<T*>(Storage::from_system(count * sizeof(T)));
  }
  void deallocate(T* p, size_t) noexcept { std::free(p); }
  bool operator==(const LikeTensors&) const { return true; }
};
template <class T>
using Values = std::vector<T, LikeTensors<T>>;
using Floats = Values<float>;

// What some places of the results must hold, and by how much they may miss it.
class Oracle {
 public:
  void expect(float* at, double value, double bound) { expected_.push_back({at, value, bound}); }
  // What whole numbers that are `before` must become, bit for bit.
  template <class T>
  void expect_exactly(Values<T>& at, const Values<T>& before, const Values<T>& after) {
    const auto bytes = [](const Values<T>& values) {
      const auto* first = reinterpret_cast<const std::byte*>(values.data());
      return std::vector<std::byte>(first, first + values.size() * sizeof(T));
    };
    exact_.push_back({reinterpret_cast<std::byte*>(at.data()), bytes(before), bytes(after)});
  }
  // Fills the places with NaN, or with what they held before, so that a row which writes nothing is
  // found out.
  void spoil() const {
    for (const auto& e : expected_) *e.at = std::numeric_limits<float>::quiet_NaN();
    for (const auto& e : exact_) std::memcpy(e.at, e.before.data(), e.before.size());
  }
  // The largest miss, in units of its bound; infinity for a NaN or another whole number.
  double error() const {
    double worst = 0;
    for (const auto& e : exact_)
      if (std::memcmp(e.at, e.after.data(), e.after.size()) != 0)
        return std::numeric_limits<double>::infinity();
    for (const auto& e : expected_) {
      const double miss = std::abs(static_cast<double>(*e.at) - e.value) / e.bound;
      worst = miss == miss ? std::max(worst, miss) : std::numeric_limits<double>::infinity();
    }
    return worst;
  }

 private:
  struct Expected {
    float* at;
    double value, bound;
  };
  struct Exact {
    std::byte* at;
    std::vector<std::byte> before, after;
  };
  std::vector<Expected> expected_{};
  std::vector<Exact> exact_{};
};

// One way to compute a case: a row of the kernel's table, or a library to compare with.
struct Contender {
  std::string name;
  Isa isa;
  std::function<void(int64_t begin, int64_t end)> run;  // computes these pieces of the case
  enum class Kind {
    row,       // of the table
    whole,     // cannot be split over threads
    pool,      // an operation that splits itself over the pool
    baseline,  // what the rows are compared with
  } kind = Kind::row;
};

struct KernelCase {
  Work work;
  int64_t pieces, grain;              // as the op would hand them to parallel_for
  std::vector<Contender> contenders;  // the table's order, baselines last
  Oracle oracle;
  DType arithmetic = DType::f32;  // whose peak it is held against
};

struct NamedCase {
  std::string name;
  std::function<KernelCase()> make;  // allocates, and computes the reference
};
using Cases = std::vector<NamedCase>;

void add_attention_cases(Cases& cases);
void add_attention_s8_cases(Cases& cases);
void add_conv2d_cases(Cases& cases);
void add_gelu_cases(Cases& cases);
void add_gemm_cases(Cases& cases);
void add_gemm_s8_cases(Cases& cases);
void add_layer_norm_cases(Cases& cases);
void add_layer_norm_s8_cases(Cases& cases);
void add_softmax_cases(Cases& cases);

// How many of a product's M rows to hand to a thread at a time: enough of them, and as many each
// time, so that no thread gets a last crumb.
int64_t row_grain(int64_t M, int64_t K, int64_t N);

// A reproducible normal sample.
Floats normal(int64_t count, unsigned seed);
// The same in whole numbers of the given deviation, within the limits of T: int8_t or int16_t.
template <class T>
Values<T> whole_numbers(int64_t count, unsigned seed, float deviation);
// Memory of as many whole numbers as `expected` holds, none of them the expected one.
template <class T>
Values<T> unlike(Values<T> expected) {
  for (T& value : expected) value = static_cast<T>(~value);
  return expected;
}

inline std::vector<double> widened(const Floats& values) { return {values.begin(), values.end()}; }

constexpr double epsilon = std::numeric_limits<float>::epsilon();

// Contenders for every row of a table that may run; make_run(row) gives what runs pieces of the
// case.
template <class Row, class MakeRun>
std::vector<Contender> contenders(std::span<const Row> rows, MakeRun make_run) {
  std::vector<Contender> out;
  for (const Row& row : rows)
    if (isa_allowed(row.isa))
      out.push_back({isa_name(row.isa), row.isa, make_run(row), Contender::Kind::row});
  return out;
}

}  // namespace espalier::bench
