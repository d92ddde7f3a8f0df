// Counters of the kernel and the processor.
#include "bench/counters.h"

#include <doctest/doctest.h>
#include <linux/perf_event.h>
#include <sys/mman.h>

namespace espalier::bench {

// Software events go the way of the processor's, and every kernel that allows any has them.
TEST_CASE("counters count what happens between start and stop, and add up") {
  const CounterEvent events[] = {{"task clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
                                 {"page faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS}};
  Counters counters(events);
  if (!counters.absent().empty()) {
    MESSAGE("not counted: ", counters.absent());
    return;
  }
  constexpr size_t page = 4096, pages = 64;
  const auto touch_new_pages = [&] {
    void* memory =
        mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    madvise(memory, pages * page, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; ++i) static_cast<volatile char*>(memory)[i * page] = 1;
    munmap(memory, pages * page);
  };
  std::vector<double> totals;
  for (int round = 1; round <= 2; ++round) {
    counters.start();
    touch_new_pages();
    counters.stop(totals);
    REQUIRE(totals.size() == 2);
    CHECK(totals[0] > 0);
    CHECK(totals[1] >= round * static_cast<double>(pages));
    CHECK(totals[1] < (round + 1) * static_cast<double>(pages));
    touch_new_pages();  // is not counted
  }
}

TEST_CASE("counters that a machine lacks say so and count nothing") {
  const CounterEvent events[] = {{"nonsense", 0xffffff, 0}};
  Counters counters(events);
  CHECK(!counters.absent().empty());
  std::vector<double> totals;
  counters.start();
  counters.stop(totals);
  CHECK(totals.empty());
}

}  // namespace espalier::bench
