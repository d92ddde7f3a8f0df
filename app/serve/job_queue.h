// Jobs: one at a time, each a process of its own in a run folder, in which everything that is known
// of it lies. A server that starts takes up what another one left: a process that runs on is
// watched again, one that is gone is started again from what it saved.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/serve/events.h"
#include "app/serve/job_command.h"
#include "app/serve/job_record.h"

namespace espalier::app {

class JobQueue {
 public:
  // Takes up what lies in `runs`, and starts working.
  JobQueue(std::string runs, std::string data, ModelLookup models, EventHub& events);
  // Stops working; a job that runs goes on without it.
  ~JobQueue();

  // These throw an HttpError where the job or its state is another; each gives the job as JSON.
  std::string submit(const std::string& verb, const std::string& arguments);
  std::string cancel(const std::string& id);
  std::string resume(const std::string& id);
  std::string remove(const std::string& id);
  std::string one(const std::string& id);
  // Of all, the newest first: {"jobs": [...]}.
  std::string all();
  // The state of the job of a run folder; none where no job made it.
  std::optional<JobState> state_of(const std::string& id);
  // The `job` events that a page which has just come needs.
  std::string unfinished_events();
  // The run that is worked on, "" for none.
  std::string running();

 private:
  void load();
  void work();
  void wake() const;
  int look();  // after what runs, and starts what waits; a descriptor to wait for, or -1
  void start(Job& job);
  void follow(const Job& job);
  void finish(Job& job);
  void watch_progress(const Job& job);
  void send_metrics(const Job& job);

  Job& job_of(const std::string& id);
  void save(const Job& job) const;
  void changed(const Job& job);  // saves it and tells the pages
  std::string folder_of(const Job& job) const { return runs_ + "/" + job.id; }
  std::string json_of(const Job& job) const;
  int position_of(const Job& job) const;
  Job* next_queued();

  const std::string runs_, data_;
  const ModelLookup models_;
  EventHub& events_;
  std::mutex mutex_;
  std::map<std::string, Job> jobs_;
  std::string running_{};  // id
  int watched_ = -1;       // descriptor of its process
  double seen_ = 0;        // when its progress was written last
  size_t sent_lines_ = 0;
  long sent_bytes_ = 0;
  bool ending_ = false;
  const int bell_;  // that wakes the thread
  std::thread thread_;
};

}  // namespace espalier::app
