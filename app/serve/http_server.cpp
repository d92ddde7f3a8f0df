#include "app/serve/http_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <system_error>
#include <thread>

#include "app/serve/connection.h"
#include "engine/error.h"

namespace espalier::app {
namespace {

using std::chrono::milliseconds;
using State = ConnectionTable::State;

constexpr size_t most_connections = 128;
// Those that were told to end still hold a thread until it runs, which on a busy machine takes a
// while.
constexpr size_t ending_connections = 384;
constexpr size_t most_streams = 24;
constexpr int requests_of_a_connection = 100;
constexpr auto idle_time = milliseconds(5000);
// Behind a job that runs: a page that asks much must not slow it.
constexpr int nice_level = 10;

// Set where a connection is to be turned away at once, on the thread that accepts.
thread_local bool turn_away = false;

class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(ConnectionTable& table) : table_(table) {}

  void enqueue(std::function<void()> serve) override {
    {
      const std::lock_guard lock(mutex_);
      if (running_ >= most_connections) table_.make_room();
      if (running_ < most_connections + ending_connections && start(serve)) return;
    }
    turn_away = true;
    serve();
    turn_away = false;
  }

  void shutdown() override {
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      table_.end_all();
      ended_.wait_for(lock, milliseconds(50));
    }
  }

 private:
  // False where the system has no thread for it.
  bool start(const std::function<void()>& serve) try {
    std::thread([this, serve] {
      setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice_level);
      serve();
      // Under the lock: shutdown() may destroy this once it sees 0.
      const std::lock_guard held(mutex_);
      --running_;
      ended_.notify_all();
    }).detach();
    ++running_;
    return true;
  } catch (const std::system_error&) {
    return false;
  }

  ConnectionTable& table_;
  std::mutex mutex_;
  std::condition_variable ended_;
  size_t running_ = 0;
};

HttpRequest request_of(const httplib::Request& from) {
  HttpRequest request{.method = from.method,
                      .path = from.path,
                      .target = from.target,
                      .headers = {},
                      .query = {},
                      .body = from.body};
  for (const auto& [name, value] : from.headers) {
    std::string lower = name;
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    request.headers.emplace(lower, value);
  }
  for (const auto& [name, value] : from.params) request.query.emplace(name, value);
  return request;
}

// Sends a file's bytes piece by piece; false where it cannot be opened.
bool provide_file(const std::string& path, const std::string& type, httplib::Response& to) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat about {};
  if (file < 0 || fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    if (file >= 0) close(file);
    return false;
  }
  if (about.st_size == 0) {  // the library takes no provider of nothing
    close(file);
    to.set_content("", type);
    return true;
  }
  to.set_content_provider(
      static_cast<size_t>(about.st_size), type,
      [file](size_t offset, size_t length, httplib::DataSink& sink) {
        char piece[64 << 10];
        const ssize_t count =
            pread(file, piece, std::min(length, sizeof piece), static_cast<off_t>(offset));
        return count > 0 && sink.write(piece, static_cast<size_t>(count));
      },
      [file](bool) { close(file); });
  return true;
}

}  // namespace

class HttpServer::Server final : public httplib::Server {
 public:
  Server(Guard guard, HttpHandler handler)
      : guard_(std::move(guard)), handler_(std::move(handler)) {
    new_task_queue = [this] { return new ConnectionThreads(table_); };
    // Not SO_REUSEPORT, with which a second server would take every other connection.
    set_socket_options([](socket_t socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    set_tcp_nodelay(true);
    set_payload_max_length(most_body_bytes);
    set_keep_alive_max_count(static_cast<size_t>(requests_of_a_connection));
    set_pre_routing_handler([this](const httplib::Request& from, httplib::Response& to) {
      const HttpRequest request = request_of(from);
      if (const auto refused = guard_.refusal(request)) {
        give(*refused, to);
        return HandlerResponse::Handled;
      }
      if (request.method == "POST") return HandlerResponse::Unhandled;  // its body is read first
      give(answer_to(request), to);
      return HandlerResponse::Handled;
    });
    Post(".*", [this](const httplib::Request& from, httplib::Response& to) {
      give(answer_to(request_of(from)), to);
    });
    set_error_handler([](const httplib::Request&, httplib::Response& to) {
      if (!to.body.empty()) return;
      to.set_content(error_answer(to.status, "request", "this request cannot be read").body,
                     "application/json");
    });
    bind();
  }

  const Guard& guard() const noexcept { return guard_; }

 private:
  void bind() {
    errno = 0;
    const bool bound = guard_.port ? bind_to_port(guard_.host, guard_.port)
                                   : (guard_.port = bind_to_any_port(guard_.host)) > 0;
    if (!bound)
      throw Error(ErrorKind::device,
                  "serve: cannot listen on " + guard_.host + ":" + std::to_string(guard_.port) +
                      (errno ? std::string(": ") + std::strerror(errno) : std::string()) +
                      "; choose another --port (0 takes any that is free) or --host");
    ::listen(svr_sock_, 256);  // the library's own queue has room for five
  }

  // Overrides the library's: a head is whole, small and timely before the library sees it.
  bool process_and_close_socket(socket_t socket) override {
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    Connection connection(socket);
    if (turn_away) {
      connection.refuse(503, error_answer(503, "busy", "too many connections; try again").body);
    } else {
      const ConnectionTable::Ticket ticket = table_.enter(socket);
      serve(connection, ticket);
      connection.close_gently();
      table_.leave(ticket);
    }
    ::close(socket);
    return true;
  }

  void serve(Connection& connection, ConnectionTable::Ticket ticket) {
    for (int left = requests_of_a_connection; left > 0; --left) {
      table_.change(ticket, State::reading);
      const Connection::Head head = connection.read_head(idle_time);
      if (head == Connection::Head::none) return;
      if (head != Connection::Head::whole) return refuse(connection, head);
      // What is left unread of a body, or of a head, would be taken for the next request.
      const bool last = left == 1 || connection.may_have_body();
      table_.change(ticket, State::answering);
      ticket_ = &ticket;
      bool closed = false;
      const bool answered = process_request(connection, last, closed, nullptr);
      ticket_ = nullptr;
      if (!answered || last || closed || connection.head_is_left()) return;
    }
  }

  static void refuse(Connection& connection, Connection::Head head) {
    const HttpAnswer answer =
        head == Connection::Head::too_long
            ? error_answer(431, "request",
                           "the head of the request has more than 16 KiB or 100 lines")
        : head == Connection::Head::too_slow
            ? error_answer(408, "request", "the head of the request took longer than 10 seconds")
            : error_answer(400, "request", "this request cannot be read");
    connection.refuse(answer.status, answer.body);
  }

  HttpAnswer answer_to(const HttpRequest& request) const {
    try {
      return handler_(request);
    } catch (const HttpError& error) {
      return error_answer(error.status, error.reason, error.sentence, error.argument);
    } catch (const Error& error) {
      const bool asked = error.kind() == ErrorKind::argument;
      return error_answer(asked ? 422 : 500, asked ? "arguments" : "failure", error.what());
    } catch (const std::exception& error) {
      return error_answer(500, "failure", error.what());
    }
  }

  void give(const HttpAnswer& answer, httplib::Response& to) {
    to.status = answer.status;
    const auto header = [&](const char* name, const char* value) { to.set_header(name, value); };
    header("Content-Security-Policy",
           "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
           "connect-src 'self'; font-src 'self'; form-action 'none'; base-uri 'none'; "
           "frame-ancestors 'none'");
    header("X-Content-Type-Options", "nosniff");
    header("Referrer-Policy", "no-referrer");
    header("Cross-Origin-Resource-Policy", "same-origin");
    header("Cross-Origin-Opener-Policy", "same-origin");
    header("X-Frame-Options", "DENY");
    header("Cache-Control", "no-store");
    for (const auto& [name, value] : answer.headers) to.set_header(name, value);
    if (answer.stream) return give_stream(answer, to);
    if (answer.file.empty()) return to.set_content(answer.body, answer.type);
    if (provide_file(answer.file, answer.type, to)) return;
    to.status = 404;
    to.set_content(error_answer(404, "absent", "the file is no longer there").body,
                   "application/json");
  }

  void give_stream(const HttpAnswer& answer, httplib::Response& to) {
    if (ticket_) table_.change(*ticket_, State::streaming);
    table_.limit_streams(most_streams);
    to.set_chunked_content_provider(answer.type,
                                    [next = answer.stream](size_t, httplib::DataSink& sink) {
                                      std::string piece;
                                      if (next(piece))
                                        return sink.write(piece.data(), piece.size());
                                      sink.done();
                                      return true;
                                    });
  }

  Guard guard_;
  const HttpHandler handler_;
  ConnectionTable table_;
  static thread_local ConnectionTable::Ticket* ticket_;  // of the connection that is served
};

thread_local ConnectionTable::Ticket* HttpServer::Server::ticket_ = nullptr;

HttpServer::HttpServer(Guard guard, HttpHandler handler)
    : server_(std::make_unique<Server>(std::move(guard), std::move(handler))) {}
HttpServer::~HttpServer() = default;

const Guard& HttpServer::guard() const noexcept { return server_->guard(); }

void HttpServer::run() {
  server_->listen_after_bind();
  ended_ = true;
}

void HttpServer::stop() {
  // The library forgets a stop() that comes before its loop has begun.
  while (!server_->is_running() && !ended_) std::this_thread::sleep_for(milliseconds(1));
  server_->stop();
}

}  // namespace espalier::app
