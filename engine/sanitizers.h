// Whether a sanitizer watches this program: it has a heap of its own, and all takes many times as
// long.
#pragma once

#if defined(__has_feature)
#define ESPALIER_SANITIZED                                                \
  (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
   __has_feature(memory_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ESPALIER_SANITIZED 1
#else
#define ESPALIER_SANITIZED 0
#endif
