#include "app/serve/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace espalier::app {
namespace {

using std::chrono::milliseconds;

constexpr size_t most_head_bytes = 16 << 10, most_header_lines = 100;
constexpr auto head_time = std::chrono::seconds(10), body_time = std::chrono::seconds(10);
// A reader may keep us waiting so long, and so much longer for what it has taken.
constexpr double patience = 10, least_bytes_per_second = 16 << 10;

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<milliseconds::rep>(left.count(), 0, 60'000));
}

// Whether `socket` is ready for `events` within the time; errors count as ready.
bool ready(int socket, short events, int time_ms) {
  pollfd wanted{socket, events, 0};
  int count;
  do count = poll(&wanted, 1, time_ms);
  while (count < 0 && errno == EINTR);
  return count != 0;
}

bool line_begins(const std::string& head, size_t line, std::string_view lower_case_name) {
  if (head.size() - line < lower_case_name.size()) return false;
  for (size_t i = 0; i < lower_case_name.size(); ++i) {
    const char c = head[line + i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != lower_case_name[i]) return false;
  }
  return true;
}

}  // namespace

ConnectionTable::Ticket ConnectionTable::enter(int socket) {
  const std::lock_guard lock(mutex_);
  places_.push_back({socket, State::reading, std::chrono::steady_clock::now()});
  return std::prev(places_.end());
}

void ConnectionTable::leave(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  places_.erase(ticket);
}

void ConnectionTable::change(Ticket ticket, State state) {
  const std::lock_guard lock(mutex_);
  ticket->state = state;
  ticket->since = std::chrono::steady_clock::now();
}

void ConnectionTable::make_room() {
  const std::lock_guard lock(mutex_);
  for (State state : {State::reading, State::streaming})
    if (std::any_of(places_.begin(), places_.end(),
                    [&](const Place& place) { return place.state == state; }))
      return end_oldest(state);
}

void ConnectionTable::limit_streams(size_t most) {
  const std::lock_guard lock(mutex_);
  const auto streams = std::count_if(places_.begin(), places_.end(), [](const Place& place) {
    return place.state == State::streaming;
  });
  if (static_cast<size_t>(streams) > most) end_oldest(State::streaming);
}

void ConnectionTable::end_all() {
  const std::lock_guard lock(mutex_);
  for (const Place& place : places_) shutdown(place.socket, SHUT_RDWR);
}

void ConnectionTable::end_oldest(State state) {
  Place* oldest = nullptr;
  for (Place& place : places_)
    if (place.state == state && (!oldest || place.since < oldest->since)) oldest = &place;
  if (!oldest) return;
  shutdown(oldest->socket, SHUT_RDWR);
  oldest->state = State::answering;  // it is on its way out: not to be chosen twice
}

bool Connection::fill(Clock::time_point deadline) {
  if (ended_ || !ready(socket_, POLLIN, milliseconds_until(deadline))) return false;
  char bytes[4096];
  ssize_t count;
  do count = recv(socket_, bytes, sizeof bytes, 0);
  while (count < 0 && errno == EINTR);
  if (count <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(bytes, static_cast<size_t>(count));
  return true;
}

Connection::Head Connection::read_head(milliseconds idle) {
  if (buffer_.empty() && !fill(Clock::now() + idle)) return Head::none;
  const Clock::time_point deadline = Clock::now() + head_time;
  for (;;) {
    const size_t end = buffer_.find("\r\n\r\n");
    if (end != buffer_.npos && end <= most_head_bytes) return check_head(end + 4);
    if (buffer_.size() > most_head_bytes) return Head::too_long;
    if (!fill(deadline)) return ended_ ? Head::none : Head::too_slow;
  }
}

// The library would act on some headers in ways that a client could abuse: ranges are matched by
// a recursive expression, and answers and bodies packed and unpacked without a limit. It gets to
// see other names for those. (A body that says it is packed is refused by Guard.)
Connection::Head Connection::check_head(size_t size) {
  may_have_body_ = !line_begins(buffer_, 0, "get ") && !line_begins(buffer_, 0, "head ");
  size_t lines = 0;
  for (size_t line = buffer_.find("\r\n") + 2; line < size - 2;
       line = buffer_.find("\r\n", line) + 2) {
    if (++lines > most_header_lines) return Head::too_long;
    for (const char* unseen : {"range:", "accept-encoding:"})
      if (line_begins(buffer_, line, unseen)) buffer_[line] = 'x';
    may_have_body_ |= line_begins(buffer_, line, "content-length:") ||
                      line_begins(buffer_, line, "transfer-encoding:");
  }
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 32 && c != '\r' && c != '\n' && c != '\t') || c == 127;
  };
  if (std::any_of(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size), is_control))
    return Head::malformed;
  head_left_ = size;
  body_deadline_ = Clock::now() + body_time;
  blocked_ = {};
  written_ = 0;
  return Head::whole;
}

void Connection::refuse(int status, const std::string& body) {
  write("HTTP/1.1 " + std::to_string(status) +
        " Refused\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
}

// With bytes still unread, close() alone would reset the connection and with it the answer.
void Connection::close_gently() {
  shutdown(socket_, SHUT_WR);
  const Clock::time_point deadline = Clock::now() + milliseconds(500);
  size_t drained = 0;
  buffer_.clear();
  while (drained < (size_t{8} << 20) && fill(deadline)) {
    drained += buffer_.size();
    buffer_.clear();
  }
}

bool Connection::is_readable() const { return !buffer_.empty() || ready(socket_, POLLIN, 0); }
bool Connection::is_writable() const { return ready(socket_, POLLOUT, 0); }

ssize_t Connection::read(char* to, size_t size) {
  if (buffer_.empty() && !fill(body_deadline_)) return ended_ ? 0 : -1;
  const size_t count = std::min(size, buffer_.size());
  buffer_.copy(to, count);
  buffer_.erase(0, count);
  head_left_ -= std::min(head_left_, count);
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* from, size_t size) {
  size_t sent = 0;
  while (sent < size) {
    const ssize_t count = send(socket_, from + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent += static_cast<size_t>(count);
      written_ += static_cast<double>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return -1;
    const double left = patience + written_ / least_bytes_per_second - blocked_.count();
    const Clock::time_point start = Clock::now();
    if (left <= 0 || !ready(socket_, POLLOUT, static_cast<int>(1e3 * std::min(left, patience))))
      return -1;
    blocked_ += Clock::now() - start;
  }
  return static_cast<ssize_t>(size);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();  // nothing here depends on who asks
  port = 0;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  get_remote_ip_and_port(ip, port);
}

}  // namespace espalier::app
