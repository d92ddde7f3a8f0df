#include "bench/energy.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::bench {
namespace {

using test::contains;
using test::TemporaryFolder;

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

// A zone as Linux shows one.
void add_zone(const TemporaryFolder& folder, const std::string& zone, const std::string& name,
              const std::string& microjoules) {
  std::filesystem::create_directories(folder.file(zone));
  write(folder.file(zone + "/name"), name + "\n");
  write(folder.file(zone + "/energy_uj"), microjoules + "\n");
  write(folder.file(zone + "/max_energy_range_uj"), "10000000\n");
}

}  // namespace

TEST_CASE("energy is that of packages and their memory, each counted once") {
  const TemporaryFolder folder;
  add_zone(folder, "intel-rapl:0", "package-0", "1000000");
  add_zone(folder, "intel-rapl:0:0", "core", "500000");
  add_zone(folder, "intel-rapl:0:1", "dram", "200000");
  add_zone(folder, "intel-rapl:1", "package-1", "3000000");
  add_zone(folder, "intel-rapl:2", "psys", "7000000");
  add_zone(folder, "intel-rapl-mmio:0", "package-0", "1000000");
  EnergyCounter counter(folder.path());
  CHECK(counter.absent().empty());
  counter.start();
  CHECK(counter.joules() == 0);
  for (const char* zone : {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:1",
                           "intel-rapl:2", "intel-rapl-mmio:0"})
    write(folder.file(zone + std::string("/energy_uj")), "4000000\n");
  CHECK(counter.joules() == doctest::Approx(3 + 3.8 + 1));
  counter.start();
  CHECK(counter.joules() == 0);
}

TEST_CASE("an energy counter that begins again is understood") {
  const TemporaryFolder folder;
  add_zone(folder, "intel-rapl:0", "package-0", "9500000");
  EnergyCounter counter(folder.path());
  counter.start();
  write(folder.file("intel-rapl:0/energy_uj"), "250000\n");
  CHECK(counter.joules() == doctest::Approx(0.75));
}

TEST_CASE("a machine without energy counters, or one that hides them, says so") {
  const TemporaryFolder folder;
  for (const std::string& path : {folder.path(), folder.file("absent")}) {
    EnergyCounter none(path);
    CHECK(contains(none.absent(), "no energy counter"));
    none.start();
    CHECK(none.joules() == 0);
  }
  add_zone(folder, "intel-rapl:0", "package-0", "1");
  std::filesystem::remove(folder.file("intel-rapl:0/energy_uj"));
  std::filesystem::create_directory(folder.file("intel-rapl:0/energy_uj"));  // cannot be read
  const EnergyCounter hidden(folder.path());
  CHECK(contains(hidden.absent(), "intel-rapl:0/energy_uj"));
  if (geteuid() == 0) return;  // may read all
  std::filesystem::remove(folder.file("intel-rapl:0/energy_uj"));
  add_zone(folder, "intel-rapl:0", "package-0", "1");
  chmod(folder.file("intel-rapl:0/energy_uj").c_str(), 0);
  CHECK(contains(EnergyCounter(folder.path()).absent(), "Permission denied"));
}

}  // namespace espalier::bench
