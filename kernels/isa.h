// What this CPU can run, and which kernel rows the process may use.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

// The instruction sets that this build has rows for: ESPALIER_IF_<ISA>(text) is `text` when there
// are some. The Meson option `isa` leaves out what ESPALIER_NO_AVX512 and ESPALIER_SCALAR_ONLY
// name.
#if defined(__x86_64__) && !defined(ESPALIER_SCALAR_ONLY)
#define ESPALIER_X86 1
#define ESPALIER_IF_AVX2(...) __VA_ARGS__
#else
#define ESPALIER_IF_AVX2(...)
#endif
#if defined(ESPALIER_X86) && !defined(ESPALIER_NO_AVX512)
#define ESPALIER_IF_AVX512(...) __VA_ARGS__
#else
#define ESPALIER_IF_AVX512(...)
#endif
#define ESPALIER_IF_AVX512BF16(...) ESPALIER_IF_AVX512(__VA_ARGS__)
#define ESPALIER_IF_AMX(...) ESPALIER_IF_AVX512(__VA_ARGS__)
#if defined(__aarch64__) && !defined(ESPALIER_SCALAR_ONLY)
#define ESPALIER_IF_NEON(...) __VA_ARGS__
#else
#define ESPALIER_IF_NEON(...)
#endif

namespace espalier {

// Instruction sets that kernels are written for. A row of a kernel table names one of them; those
// of cuda run on a GPU, over operands in its memory. Each includes those before it of its
// architecture. avx512vnni256 is avx512vnni on 256-bit registers, for processors that lower their
// clock for wider ones. amx multiplies tiles of bf16 and of 8-bit integers; every processor that
// has it has AVX512_VBMI.
enum class Isa {
  scalar,
  neon,
  dotprod,
  avx2,
  avx512,
  avx512vnni256,
  avx512vnni,
  avx512bf16,
  amx,
  cuda
};

// Every Isa that this build has rows for, best first.
std::span<const Isa> built_isas() noexcept;

const char* isa_name(Isa isa) noexcept;
std::optional<Isa> isa_from_name(std::string_view name) noexcept;

// True when the processor and the operating system (XCR0) both support `isa`.
bool cpu_can_run(Isa isa) noexcept;

// The most capable set that kernels may use. Until `limit_isa` sets it, the best the CPU can run,
// but not avx512bf16 where the processor multiplies bf16 more slowly than fp32 (Intel's).
Isa isa_limit() noexcept;

// Sets the limit. Assumes cpu_can_run(isa); engine/dispatch.h is the checked door.
void limit_isa(Isa isa) noexcept;

// True when a row for `isa` may run under the present limit: where this thread's kernels run on a
// GPU (kernels/simt/stream.h), those of cuda alone.
bool isa_allowed(Isa isa) noexcept;

// The first row that may run. Tables end with a scalar row, so there always is one.
template <class Row>
const Row& best_row(std::span<const Row> rows) noexcept {
  for (const Row& row : rows)
    if (isa_allowed(row.isa)) return row;
  return rows.back();
}

}  // namespace espalier
