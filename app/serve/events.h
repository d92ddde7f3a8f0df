// Server-sent events: what changes, to every page that listens.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace espalier::app {

class EventHub {
 public:
  // One page. A page that reads too slowly to keep up is dropped; it then asks for everything anew.
  class Listener {
   public:
    explicit Listener(std::string first) : waiting_{std::move(first)} {}
    // Waits for the next piece of the stream, or for 20 seconds, of which a comment tells. False
    // where there will be none.
    bool next(std::string& piece);

   private:
    friend class EventHub;
    void push(const std::string& piece);
    void close();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> waiting_;
    bool closed_ = false;
  };

  // `first` comes before all else.
  std::shared_ptr<Listener> listen(std::string first);
  // `data` is one line of JSON.
  void publish(const std::string& event, const std::string& data);
  void close();
  bool anybody();

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<Listener>> listeners_;
  bool closed_ = false;
};

// "event: NAME\ndata: DATA\n\n".
std::string event_text(const std::string& event, const std::string& data);

}  // namespace espalier::app
