#include "kernels/isa.h"

#include <algorithm>
#include <atomic>

#include "kernels/simt/stream.h"

#if defined(ESPALIER_X86)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace espalier {
namespace {

constexpr Isa built[] = {ESPALIER_IF_AMX(Isa::amx, ) ESPALIER_IF_AVX512BF16(Isa::avx512bf16, )
                             ESPALIER_IF_AVX512(Isa::avx512vnni, Isa::avx512vnni256, Isa::avx512, )
                                 ESPALIER_IF_AVX2(Isa::avx2, )
                                     ESPALIER_IF_NEON(Isa::dotprod, Isa::neon, ) Isa::scalar};

constexpr struct {
  Isa isa;
  const char* name;
} names[] = {{Isa::scalar, "scalar"},
             {Isa::neon, "neon"},
             {Isa::dotprod, "dotprod"},
             {Isa::avx2, "avx2"},
             {Isa::avx512, "avx512"},
             {Isa::avx512vnni256, "avx512vnni256"},
             {Isa::avx512vnni, "avx512vnni"},
             {Isa::avx512bf16, "avx512bf16"},
             {Isa::amx, "amx"},
             {Isa::cuda, "cuda"}};

#if defined(ESPALIER_X86)
constexpr unsigned bit(int position) { return 1u << position; }

unsigned long long enabled_state() noexcept {
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

// With the meson option emulate=avx512 the avx512 rows are pairs of AVX2 instructions.
#ifdef ESPALIER_EMULATE_AVX512
constexpr Isa best_on_ymm = built[0];
#else
constexpr Isa best_on_ymm = Isa::avx2;
#endif

// With emulate=amx its tiles are arrays.
#ifdef ESPALIER_EMULATE_AMX
constexpr unsigned tile_bf16_s8 = 0;
#else
constexpr unsigned tile_bf16_s8 = bit(24) | bit(22) | bit(25);
#endif

// On Intel's cores vdpbf16ps takes two cycles, half the rate of fp32 (measured on Emerald Rapids:
// 85 Gop/s a core, where fp32 reaches 166); on AMD's it takes one.
bool bf16_products_are_fast() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid(0, &a, &b, &c, &d);
  return !(b == signature_INTEL_ebx && c == signature_INTEL_ecx && d == signature_INTEL_edx);
}

// Linux gives a process the 8 KiB of state that tiles take only when asked, once for all its
// threads.
bool may_use_tiles([[maybe_unused]] unsigned long long state) noexcept {
#if defined(ESPALIER_EMULATE_AMX)
  return true;
#elif defined(__linux__)
  constexpr unsigned long long configuration_and_data = 3ull << 17;
  constexpr long ask_for_state = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h
  return (state & configuration_and_data) == configuration_and_data &&
         syscall(SYS_arch_prctl, ask_for_state, tile_data) == 0;
#else
  return false;
#endif
}

// Intel SDM vol. 1, 15.2: the feature bits count only once the OS saves the registers they use.
Isa detect() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return Isa::scalar;
  const unsigned osxsave = bit(27), fma = bit(12), f16c = bit(29);
  if ((c & (osxsave | fma | f16c)) != (osxsave | fma | f16c)) return Isa::scalar;
  const unsigned long long state = enabled_state();
  constexpr unsigned long long ymm = 0x6, zmm = 0xe6;
  if ((state & ymm) != ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return Isa::scalar;
  if (!(b & bit(5))) return Isa::scalar;
  const unsigned f_dq_cd_bw_vl = bit(16) | bit(17) | bit(28) | bit(30) | bit(31);
  if (best_on_ymm > Isa::avx2) return best_on_ymm;
  if ((state & zmm) != zmm || (b & f_dq_cd_bw_vl) != f_dq_cd_bw_vl) return Isa::avx2;
  if (!(c & bit(11))) return Isa::avx512;  // VNNI
  const bool vbmi = c & bit(1);
  const bool tiles = vbmi && (d & tile_bf16_s8) == tile_bf16_s8 && may_use_tiles(state);
  const bool bf16 = __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & bit(5);
  return !bf16 ? Isa::avx512vnni : tiles ? Isa::amx : Isa::avx512bf16;
}
#elif defined(__aarch64__)
// Advanced SIMD is part of the AArch64 base.
Isa detect() noexcept { return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? Isa::dotprod : Isa::neon; }
#else
Isa detect() noexcept { return Isa::scalar; }
#endif

// The fastest of those that run, unless one is asked for.
Isa usual(Isa best) noexcept {
#if defined(ESPALIER_X86)
  if (best == Isa::avx512bf16 && !bf16_products_are_fast()) return Isa::avx512vnni;
#endif
  return best;
}

const Isa best = std::min(detect(), built[0]);
std::atomic<Isa> limit{usual(best)};

}  // namespace

std::span<const Isa> built_isas() noexcept { return built; }

const char* isa_name(Isa isa) noexcept {
  for (const auto& entry : names)
    if (entry.isa == isa) return entry.name;
  return "unknown";
}

std::optional<Isa> isa_from_name(std::string_view name) noexcept {
  for (const auto& entry : names)
    if (name == entry.name) return entry.isa;
  return std::nullopt;
}

bool cpu_can_run(Isa isa) noexcept {
  bool built_here = false;
  for (Isa candidate : built) built_here |= candidate == isa;
  return built_here && isa <= best;
}

Isa isa_limit() noexcept { return limit.load(std::memory_order_relaxed); }
void limit_isa(Isa isa) noexcept { limit.store(isa, std::memory_order_relaxed); }

bool isa_allowed(Isa isa) noexcept {
  if (cuda::active() || isa == Isa::cuda) return cuda::active() && isa == Isa::cuda;
  return isa <= isa_limit();
}

}  // namespace espalier
