// What a kernel's benchmark consists of. Each kernel has a file of cases here.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "kernels/isa.h"

namespace espalier::bench {

// Of one run of a case. Bytes are those that must move: every operand once.
struct Work {
  double flops, bytes, elements;
};

// Operands start on a cache line, as those of tensors do.
template <class T>
struct CacheAligned {
  using value_type = T;
  static constexpr std::align_val_t line{64};
  CacheAligned() = default;
  template <class U>
  CacheAligned(const CacheAligned<U>&) noexcept {}
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), line)); }
  void deallocate(T* p, size_t) noexcept { ::operator delete(p, line); }
  bool operator==(const CacheAligned&) const { return true; }
};
using Floats = std::vector<float, CacheAligned<float>>;

// What some places of the results must hold, and by how much they may miss it.
class Oracle {
 public:
  void expect(float* at, double value, double bound) { expected_.push_back({at, value, bound}); }
  // Fills the places with NaN, so that a row which writes nothing is found out.
  void spoil() const {
    for (const auto& e : expected_) *e.at = std::numeric_limits<float>::quiet_NaN();
  }
  // The largest miss, in units of its bound; infinity for a NaN.
  double error() const {
    double worst = 0;
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
  std::vector<Expected> expected_{};
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
};

struct NamedCase {
  std::string name;
  std::function<KernelCase()> make;  // allocates, and computes the reference
};
using Cases = std::vector<NamedCase>;

void add_attention_cases(Cases& cases);
void add_conv2d_cases(Cases& cases);
void add_gelu_cases(Cases& cases);
void add_gemm_cases(Cases& cases);
void add_layer_norm_cases(Cases& cases);
void add_softmax_cases(Cases& cases);

// A reproducible normal sample.
Floats normal(int64_t count, unsigned seed);

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
