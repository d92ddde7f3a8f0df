#include "app/serve/events.h"

#include <chrono>

namespace espalier::app {
namespace {

constexpr auto heartbeat = std::chrono::seconds(20);
constexpr size_t most_events = 1000;

}  // namespace

std::string event_text(const std::string& event, const std::string& data) {
  return "event: " + event + "\ndata: " + data + "\n\n";
}

bool EventHub::Listener::next(std::string& piece) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, heartbeat, [this] { return closed_ || !waiting_.empty(); });
  if (waiting_.empty()) {
    piece = ": still here\n\n";
    return !closed_;
  }
  piece.clear();
  for (; !waiting_.empty(); waiting_.pop_front()) piece += waiting_.front();
  return true;
}

void EventHub::Listener::push(const std::string& piece) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= most_events) closed_ = true;
  if (!closed_) waiting_.push_back(piece);
  changed_.notify_one();
}

void EventHub::Listener::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

std::shared_ptr<EventHub::Listener> EventHub::listen(std::string first) {
  auto listener = std::make_shared<Listener>(std::move(first));
  const std::lock_guard lock(mutex_);
  if (closed_) listener->close();
  std::erase_if(listeners_, [](const auto& each) { return each.expired(); });
  listeners_.push_back(listener);
  return listener;
}

void EventHub::publish(const std::string& event, const std::string& data) {
  const std::string piece = event_text(event, data);
  const std::lock_guard lock(mutex_);
  for (const auto& each : listeners_)
    if (const auto listener = each.lock()) listener->push(piece);
}

void EventHub::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& each : listeners_)
    if (const auto listener = each.lock()) listener->close();
}

bool EventHub::anybody() {
  const std::lock_guard lock(mutex_);
  std::erase_if(listeners_, [](const auto& each) { return each.expired(); });
  return !listeners_.empty();
}

}  // namespace espalier::app
