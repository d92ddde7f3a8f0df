#include "bench/counters.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"
#include "engine/io/file.h"

namespace espalier::bench {
namespace {

int open_event(const CounterEvent& event, int leader) {
  perf_event_attr attributes = {};
  attributes.size = sizeof attributes;
  attributes.type = event.type;
  attributes.config = event.config;
  attributes.read_format =
      PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  attributes.disabled = leader < 0;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  return static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, leader,
                                  static_cast<unsigned long>(PERF_FLAG_FD_CLOEXEC)));
}

std::string paranoid_level() {
  try {
    const std::string text = read_text("/proc/sys/kernel/perf_event_paranoid");
    return text.substr(0, text.find('\n'));
  } catch (const Error&) {
    return "unknown";
  }
}

std::string reason_for(int error, const char* event) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      return std::string("this machine offers no counter of ") + event +
             " (virtual machines often have none)";
    case EACCES:
    case EPERM:
      return "the kernel forbids them: /proc/sys/kernel/perf_event_paranoid is " +
             paranoid_level() + ", and a container may forbid them too";
    default:
      return std::string("the kernel refused ") + event + ": " + std::strerror(error);
  }
}

}  // namespace

std::span<const CounterEvent> processor_events() {
  static constexpr CounterEvent events[] = {
      {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
      {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
      {"cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES}};
  return events;
}

Counters::Counters(std::span<const CounterEvent> events) {
  for (const CounterEvent& event : events) {
    const int file = open_event(event, files_.empty() ? -1 : files_.front());
    if (file < 0) {
      absent_ = reason_for(errno, event.name);
      return;
    }
    files_.push_back(file);
  }
}

Counters::~Counters() {
  for (int file : files_) close(file);
}

void Counters::start() {
  if (!absent_.empty()) return;
  // Events follow their leader. Told one by one, Linux 6.18 leaves them off the second time.
  ioctl(files_.front(), PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
  ioctl(files_.front(), PERF_EVENT_IOC_ENABLE, 0);
}

void Counters::stop(std::vector<double>& totals) {
  if (!absent_.empty()) return;
  totals.resize(files_.size());
  ioctl(files_.front(), PERF_EVENT_IOC_DISABLE, 0);
  // As the kernel writes it: the number of events, two times in nanoseconds, then the values. A
  // reset leaves the times, which serve as a ratio alone.
  std::vector<uint64_t> words(3 + files_.size());
  const size_t bytes = words.size() * sizeof words[0];
  if (read(files_.front(), words.data(), bytes) != static_cast<ssize_t>(bytes) || words[2] == 0)
    return;
  const double scale = static_cast<double>(words[1]) / static_cast<double>(words[2]);
  for (size_t i = 0; i < files_.size(); ++i) totals[i] += scale * static_cast<double>(words[3 + i]);
}

}  // namespace espalier::bench
