#include "app/progress.h"

#include <unistd.h>

#include <cstdio>

#include "app/progress_file.h"

namespace espalier::app {

std::string clock_text(double seconds) {
  const long whole = static_cast<long>(seconds + 0.5);
  char text[32];
  if (whole < 60)
    std::snprintf(text, sizeof text, "%ld s", whole);
  else if (whole < 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  return text;
}

double wall_clock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::update(long done, long total, const std::string& text) {
  note_progress(done, total, text);
  if (quiet_) return;
  if (first_ < 0) first_ = done - 1;
  const Clock::time_point now = Clock::now();
  const auto wait = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(30);
  if (now - drawn_ < wait) return;
  drawn_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left =
      elapsed / static_cast<double>(done - first_) * static_cast<double>(total - done);
  const std::string counts = std::to_string(done) + "/" + std::to_string(total);
  if (!terminal_) {
    std::fprintf(stderr, "step %s  %s  %s left\n", counts.c_str(), text.c_str(),
                 clock_text(left).c_str());
    return;
  }
  constexpr int width = 24;
  const int filled = static_cast<int>(width * done / (total > 0 ? total : 1));
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
  std::fprintf(stderr, "\r\033[K%s %s  %s  %s left", bar.c_str(), counts.c_str(), text.c_str(),
               clock_text(left).c_str());
  std::fflush(stderr);
  visible_ = true;
}

void Progress::clear() {
  if (visible_) std::fputs("\r\033[K", stderr);
  visible_ = false;
}

void Progress::line(const std::string& text) {
  note_progress(text);
  clear();
  if (!quiet_) std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace espalier::app
