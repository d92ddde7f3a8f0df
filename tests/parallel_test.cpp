// The thread pool.
#include "engine/parallel.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/panels.h"
#include "engine/sanitizers.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

// Leaves this process address space for the stacks of a few more threads. Unlike the number of
// processes, that binds whoever is root too.
void limit_address_space() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (32 << 20);
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

}  // namespace

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

TEST_CASE("a limit keeps parallel_for to so many threads while it lives") {
  const int before = num_threads();
  set_num_threads(5);
  for (int limit : {1, 2, 4, 9}) {
    INFO("limit ", limit);
    const ThreadLimit outer(limit), inner(limit + 1);
    CHECK(threads_here() == std::min(limit, 5));
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<std::atomic<int>> hits(100);
      std::mutex mutex;
      std::set<std::thread::id> threads;
      parallel_for(100, 1, [&](int64_t i, int64_t) {
        ++hits[static_cast<size_t>(i)];
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
      });
      for (auto& hit : hits) REQUIRE(hit == 1);
      CHECK(threads.size() == static_cast<size_t>(threads_here()));
    }
  }
  CHECK(threads_here() == 5);
  set_num_threads(before);
}

// For the test below, in a process of its own.
TEST_CASE("a pool in a process with little room" * doctest::skip()) {
  limit_address_space();
  set_num_threads(1024);
  const auto count_pieces = [] {
    std::atomic<int> done{0};
    parallel_for(2048, 1, [&](int64_t, int64_t) { ++done; });
    return done.load();
  };
  CHECK(contains(refusal_of(count_pieces, ErrorKind::device), " of 1023 threads ("));
  set_num_threads(2);
  CHECK(count_pieces() == 2048);
}

// A sanitizer's own memory is past any limit, so there it cannot be provoked.
TEST_CASE("a pool that cannot start all its threads is an error, and a smaller one works") {
  if (ESPALIER_SANITIZED) return;
  const pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "parallel_test", "--no-skip", "--minimal",
          "--test-case=a pool in a process with little room", static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
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

TEST_CASE("rows go to threads in even shares where those fill a tile and are worth it") {
  constexpr int64_t much = 1 << 24;
  CHECK(rows_a_piece(50, much, 2) == 25);
  CHECK(rows_a_piece(49, much, 4) == 13);
  CHECK(rows_a_piece(50, much, 1) == 50);
  // Not a tile for each, and a piece for none.
  CHECK(rows_a_piece(50, much, 5) == 50);
  CHECK(rows_a_piece(50, product_piece, 2) == 50);
}

TEST_CASE("few rows go to threads in even shares, many or next to none in pieces") {
  const int before = num_threads();
  set_num_threads(2);
  const auto ranges = [](int64_t rows, int64_t cost) {
    std::mutex mutex;
    std::set<std::pair<int64_t, int64_t>> seen;
    parallel_rows(rows, cost, [&](int64_t begin, int64_t end) {
      const std::lock_guard lock(mutex);
      seen.emplace(begin, end);
    });
    return seen;
  };
  using Ranges = std::set<std::pair<int64_t, int64_t>>;
  CHECK(ranges(50, 128) == Ranges{{0, 25}, {25, 50}});
  CHECK(ranges(49 * 512, 1) == Ranges{{0, 12'544}, {12'544, 25'088}});
  CHECK(ranges(20, 64) == Ranges{{0, 20}});
  CHECK(ranges(2'000, 128).size() == 16);
  set_num_threads(1);
  CHECK(ranges(50, 128) == Ranges{{0, 50}});
  set_num_threads(before);
}

}  // namespace espalier::test
