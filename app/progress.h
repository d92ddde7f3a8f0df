// Progress of a long verb: a bar on a terminal, plain lines in a pipe, nothing when quiet. Where
// --progress names a file, that file too.
#pragma once

#include <chrono>
#include <string>

namespace espalier::app {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total` steps, and what to say beside the bar. On a terminal the bar is redrawn at
  // most ten times a second; in a pipe a line is printed each 30 seconds.
  void update(long done, long total, const std::string& text);
  // A line that stays, above the bar.
  void line(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  void clear();

  const bool quiet_, terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_ = start_;
  long first_ = -1;  // where a resumed run began, for the time left
  bool visible_ = false;
};

// Seconds since 1970, as the files that tell of progress have them.
double wall_clock();

// "1:05:09", "3:07", "12 s".
std::string clock_text(double seconds);

}  // namespace espalier::app
