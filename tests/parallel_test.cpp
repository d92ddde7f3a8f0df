// The thread pool.
#include "engine/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/panels.h"

namespace espalier::test {

TEST_CASE("parallel_for runs every piece once, whatever the width") {
  const int before = num_threads();
  for (int width : {1, 2, 3, 8}) {
    set_num_threads(width);
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<std::atomic<int>> hits(1000);
      parallel_for(1000, 7, [&](int64_t begin, int64_t end) {
        CHECK(begin % 7 == 0);
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      for (auto& hit : hits) REQUIRE(hit == 1);
    }
    std::atomic<int> done{0};
    CHECK_THROWS_AS(parallel_for(64, 1,
                                 [&](int64_t i, int64_t) {
                                   if (i == 13) throw Error(ErrorKind::numeric, "thirteen");
                                   ++done;
                                 }),
                    Error);
    CHECK(done == 63);
  }
  set_num_threads(before);
  CHECK_THROWS_AS(set_num_threads(0), Error);
}

TEST_CASE("parallel_for inside a piece runs inline, and two callers do not meet") {
  std::atomic<int> sum{0};
  const auto work = [&] {
    parallel_for(16, 1, [&](int64_t, int64_t) {
      const auto outer = std::this_thread::get_id();
      parallel_for(8, 1, [&](int64_t, int64_t) {
        if (std::this_thread::get_id() == outer) ++sum;
      });
    });
  };
  std::thread other(work);
  work();
  other.join();
  CHECK(sum == 2 * 16 * 8);
}

TEST_CASE("panels go to threads in even shares where those are soon done, else in halves") {
  constexpr int64_t microseconds_5 = 1 << 18;
  CHECK(panels_a_piece(16, microseconds_5, 1) == 16);
  CHECK(panels_a_piece(4, microseconds_5, 2) == 2);
  CHECK(panels_a_piece(12, microseconds_5, 3) == 4);
  CHECK(panels_a_piece(4, 8 * microseconds_5, 2) == 2);
  // Not even, too little for two, and so long that who is done takes from others.
  CHECK(panels_a_piece(4, microseconds_5, 3) == 1);
  CHECK(panels_a_piece(4, microseconds_5 / 4, 2) == 4);
  CHECK(panels_a_piece(16, 8 * microseconds_5, 2) == 1);
}

}  // namespace espalier::test
