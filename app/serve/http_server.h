// An HTTP server on cpp-httplib with a thread, a place and deadlines for each connection.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "app/serve/guard.h"
#include "app/serve/http.h"

namespace espalier::app {

class HttpServer {
 public:
  // Listens on `host` and `port`, 0 for any that is free; a device error says what keeps it from
  // that. The guard's token is asked for; its port is set. `handler` runs on any thread, several at
  // once.
  HttpServer(Guard guard, HttpHandler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  const Guard& guard() const noexcept;
  void run();  // until stop()
  // From any thread, once run() has been called or is about to be; ends every connection.
  void stop();

 private:
  class Server;
  std::unique_ptr<Server> server_;
  std::atomic<bool> ended_ = false;  // run() is over
};

}  // namespace espalier::app
