// What code compiled with -fsanitize=thread calls at each access. ThreadSanitizer's runtime is not
// linked: these take its place.
#include <cstring>

#include "kernels/simt/checks.h"

namespace {

using espalier::simt::checks::Use;

void read(const void* at, size_t bytes) { espalier::simt::checks::use(at, bytes, Use::read); }
void write(const void* at, size_t bytes) { espalier::simt::checks::use(at, bytes, Use::write); }

}  // namespace

#define ESPALIER_ACCESS(bytes)                                           \
  void __tsan_read##bytes(void* at) { read(at, bytes); }                 \
  void __tsan_write##bytes(void* at) { write(at, bytes); }               \
  void __tsan_unaligned_read##bytes(const void* at) { read(at, bytes); } \
  void __tsan_unaligned_write##bytes(void* at) { write(at, bytes); }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}

ESPALIER_ACCESS(1)
ESPALIER_ACCESS(2)
ESPALIER_ACCESS(4)
ESPALIER_ACCESS(8)
ESPALIER_ACCESS(16)
void __tsan_read_range(void* at, size_t bytes) { read(at, bytes); }
void __tsan_write_range(void* at, size_t bytes) { write(at, bytes); }

// Of std::shared_ptr, beside kernels.
int __tsan_atomic32_fetch_add(volatile int* at, int value, int) {
  return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}

void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  read(from, bytes), write(to, bytes);
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  read(from, bytes), write(to, bytes);
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, size_t bytes) {
  write(to, bytes);
  return std::memset(to, value, bytes);
}

}  // extern "C"
