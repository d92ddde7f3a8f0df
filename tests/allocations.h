// Counts what the program takes from the heap through operator new.
#pragma once

#include <cstdint>

namespace espalier::test {

// Calls of operator new so far, on all threads; always 0 under a sanitizer, which has its own.
int64_t allocations() noexcept;

}  // namespace espalier::test
