// One connection with deadlines: a client that sends or reads slowly holds its own place alone, and
// loses it when others need one.
#pragma once

#include <httplib.h>

#include <chrono>
#include <list>
#include <mutex>
#include <string>

namespace espalier::app {

// What connections are doing, so that one can be told to make room.
class ConnectionTable {
 public:
  enum class State { reading, answering, streaming };
  struct Place {
    int socket;
    State state;
    std::chrono::steady_clock::time_point since;
  };
  using Ticket = std::list<Place>::iterator;

  Ticket enter(int socket);
  void leave(Ticket ticket);
  void change(Ticket ticket, State state);
  // Ends the connection that has waited longest for its client's request; else the oldest stream of
  // events. One that is being answered is left alone: its own deadline ends it.
  void make_room();
  // Ends the oldest stream if there are more than `most`.
  void limit_streams(size_t most);
  void end_all();

 private:
  void end_oldest(State state);  // with mutex_ held

  std::mutex mutex_;
  std::list<Place> places_;
};

// The stream of one connection for httplib::Server::process_request().
class Connection final : public httplib::Stream {
 public:
  explicit Connection(int socket) : socket_(socket) {}

  enum class Head { whole, none, too_long, too_slow, malformed };
  // Waits up to `idle` for a request to begin and then for the end of its head. none: the client
  // sent nothing more.
  Head read_head(std::chrono::milliseconds idle);
  // Of the head that was read: whether something may follow it that belongs to it, and whether the
  // library has not read all of it, as where it could make nothing of it.
  bool may_have_body() const { return may_have_body_; }
  bool head_is_left() const { return head_left_ > 0; }
  // An answer without the library, to what it must not see.
  void refuse(int status, const std::string& body);
  // Closes after the client has had a chance to read the last answer, though it still sends.
  void close_gently();

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  using httplib::Stream::write;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  bool fill(Clock::time_point deadline);  // more into buffer_
  Head check_head(size_t size);

  const int socket_;
  std::string buffer_{};  // received and not read
  size_t head_left_ = 0;  // of it, bytes of a head
  bool may_have_body_ = false, ended_ = false;
  Clock::time_point body_deadline_{};
  std::chrono::duration<double> blocked_{};  // while writing
  double written_ = 0;
};

}  // namespace espalier::app
