#include "app/serve/job_queue.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "app/command.h"
#include "app/progress.h"
#include "app/serve/http.h"
#include "app/serve/job_record.h"
#include "app/serve/run_files.h"
#include "engine/error.h"
#include "engine/io/file.h"

namespace espalier::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t most_jobs = 100;
constexpr int look_ms = 400;  // how often a job that runs is looked after

std::string stamp() {
  char text[32];
  const std::time_t seconds = std::time(nullptr);
  std::tm local;
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", localtime_r(&seconds, &local));
  return text;
}

[[noreturn]] void refuse_state(const Job& job, const std::string& wanted) {
  throw HttpError{409, "state",
                  "the job is " + std::string(name_of(job.state)) + "; expected " + wanted};
}

bool is_over(JobState state) {
  return state == JobState::done || state == JobState::failed || state == JobState::cancelled;
}

bool holds_process(JobState state) {
  return state == JobState::running || state == JobState::stopping;
}

// Whether what a run has saved can be gone on with.
bool has_saved(const std::string& verb, const std::string& folder) {
  std::error_code error;
  const char* state = verb == "compress" ? "/compress.json" : "/checkpoints/last.safetensors";
  return fs::exists(folder + state, error);
}

// Of a run that was broken off before it saved anything: what would make a new one refuse.
void clear_run(const std::string& folder) {
  std::error_code error;
  for (const char* name : {"config.json", "env.json", "metrics.jsonl", "report.md", "checkpoints",
                           "plots", "progress.json"})
    fs::remove_all(folder + "/" + name, error);
}

}  // namespace

JobQueue::JobQueue(std::string runs, std::string data, ModelLookup models, EventHub& events)
    : runs_(std::move(runs)),
      data_(std::move(data)),
      models_(std::move(models)),
      events_(events),
      bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  load();
  thread_ = std::thread([this] { work(); });
}

JobQueue::~JobQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
  if (watched_ >= 0) close(watched_);
  close(bell_);
}

void JobQueue::load() {
  std::error_code error;
  for (fs::directory_iterator at(runs_, error), end; !error && at != end; at.increment(error)) {
    auto job = read_job(at->path().string());
    if (!job || job->id != at->path().filename().string()) continue;
    if (holds_process(job->state)) {
      if (running_.empty() && is_running(job->process)) {
        running_ = job->id;
        follow(*job);
      } else {
        // It ended while nobody looked: it may have been done, or killed with the machine.
        finish(*job);
        if (job->state == JobState::failed && !job->code) {
          job->state = JobState::queued;
          job->resumes = true;
          job->error.clear();
        }
        save(*job);
      }
    }
    jobs_.emplace(job->id, *job);
  }
}

void JobQueue::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(bell_, &one, sizeof one);
}

void JobQueue::work() {
  for (;;) {
    int process = -1;
    bool works = false;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      try {
        process = look();
      } catch (const std::exception& error) {
        // A full disk, as a rule: what is known stays in memory, and is written with the next
        // change.
        std::fprintf(stderr, "espalier: serve: %s\n", error.what());
        process = watched_;
      }
      works = !running_.empty();
    }
    // Nothing to look after: nothing wakes this thread but a new job.
    pollfd waits[] = {{bell_, POLLIN, 0}, {process, POLLIN, 0}};
    poll(waits, process >= 0 ? 2 : 1, works ? look_ms : -1);
    uint64_t rung;
    [[maybe_unused]] const ssize_t count = read(bell_, &rung, sizeof rung);
  }
}

int JobQueue::look() {
  if (!running_.empty()) {
    Job& job = job_of(running_);
    const bool ended = !is_running(job.process);
    watch_progress(job);
    if (!ended) return watched_;
    if (watched_ >= 0) close(watched_);
    watched_ = -1;
    running_.clear();
    finish(job);
    changed(job);
    events_.publish("runs", "{}");
  }
  while (Job* next = next_queued()) {
    try {
      start(*next);
    } catch (const Error& error) {
      next->state = JobState::failed;
      next->error = error.what();
      next->ended = wall_clock();
    }
    changed(*next);
    if (!running_.empty()) return watched_;
  }
  return -1;
}

void JobQueue::start(Job& job) {
  const std::string folder = folder_of(job);
  std::vector<std::string> words = job.words;
  if (job.resumes) {
    if (has_saved(job.verb, folder))
      words = resume_command(job.words, folder).value_or(job.words);
    else
      clear_run(folder);
  }
  std::error_code unlinked;
  fs::remove(folder + "/progress.json", unlinked);
  job.process = start_espalier(words, folder + "/log.txt");
  job.state = JobState::running;
  job.started = wall_clock();
  job.ended = 0;
  job.code.reset();
  job.error.clear();
  running_ = job.id;
  follow(job);
}

// What earlier parts of the run wrote is not new.
void JobQueue::follow(const Job& job) {
  watched_ = watch(job.process);
  seen_ = 0;
  sent_lines_ = 0;
  sent_bytes_ = 0;
  std::ifstream file(folder_of(job) + "/metrics.jsonl");
  for (std::string line; std::getline(file, line) && !file.eof(); ++sent_lines_)
    sent_bytes_ += static_cast<long>(line.size()) + 1;
}

// The exit code is told by the system to a parent, and to another server by progress.json.
void JobQueue::finish(Job& job) {
  const std::string folder = folder_of(job);
  const JobEnd end = read_end(folder);
  job.code = reap(job.process);
  if (!job.code) job.code = end.code;
  job.ended = wall_clock();
  const bool stopping = job.state == JobState::stopping;
  job.error = end.error.empty() ? last_complaint(folder) : end.error;
  if (!job.code) {
    job.state = stopping ? JobState::cancelled : JobState::failed;
    job.error = stopping ? ""
                         : "the process ended without saying why; it may have been killed, or "
                           "have run out of memory: resume it, or see log.txt";
  } else if (*job.code == interrupted || (stopping && *job.code > 128)) {
    job.state = JobState::cancelled;
    job.error.clear();
  } else if (*job.code == done || *job.code == gate_missed) {
    job.state = JobState::done;
    if (*job.code == done) job.error.clear();
  } else {
    job.state = JobState::failed;
    if (job.error.empty())
      job.error = "ended with exit code " + std::to_string(*job.code) + "; see log.txt";
  }
  job.process = {};
}

void JobQueue::watch_progress(const Job& job) {
  const double written = modified_seconds(folder_of(job) + "/progress.json");
  if (written > 0 && written != seen_) {
    seen_ = written;
    events_.publish("job", json_of(job));
  }
  send_metrics(job);
}

// The lines that came since, of which the last may be half of one.
void JobQueue::send_metrics(const Job& job) {
  if (!events_.anybody()) return;
  std::ifstream file(folder_of(job) + "/metrics.jsonl", std::ios::binary | std::ios::ate);
  if (!file) return;
  const auto size = static_cast<long>(file.tellg());
  if (size < sent_bytes_) {  // a resumed run dropped some
    sent_bytes_ = 0;
    sent_lines_ = 0;
  }
  if (size == sent_bytes_) return;
  constexpr long most = 256 << 10;  // at once; the rest comes at the next look
  std::string text(static_cast<size_t>(std::min(size - sent_bytes_, most)), '\0');
  file.seekg(sent_bytes_);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1);
  const MetricLines lines = metric_lines(text);
  if (lines.count > 0) events_.publish("metrics", metrics_event(job.id, sent_lines_, lines.json));
  sent_lines_ += lines.count;
  sent_bytes_ += static_cast<long>(text.size());
}

Job& JobQueue::job_of(const std::string& id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end())
    throw HttpError{404, "absent", "there is no job of that id; /api/jobs has them"};
  return found->second;
}

Job* JobQueue::next_queued() {
  Job* next = nullptr;
  for (auto& [id, job] : jobs_)
    if (job.state == JobState::queued && (!next || job.queued < next->queued)) next = &job;
  return next;
}

int JobQueue::position_of(const Job& job) const {
  if (job.state != JobState::queued) return 0;
  return static_cast<int>(1 + std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& other) {
                            return other.second.state == JobState::queued &&
                                   other.second.queued < job.queued;
                          }));
}

void JobQueue::save(const Job& job) const { write_job(folder_of(job), job); }

void JobQueue::changed(const Job& job) {
  save(job);
  events_.publish("job", json_of(job));
}

std::string JobQueue::json_of(const Job& job) const {
  return job_json(job, folder_of(job), position_of(job), has_saved(job.verb, folder_of(job)));
}

std::string JobQueue::submit(const std::string& verb, const std::string& arguments) {
  const std::lock_guard lock(mutex_);
  const auto waiting = std::count_if(jobs_.begin(), jobs_.end(), [](const auto& each) {
    return each.second.state == JobState::queued;
  });
  if (static_cast<size_t>(waiting) >= most_jobs)
    throw HttpError{429, "busy", "100 jobs wait already; cancel some or wait for them"};
  Job job;
  job.verb = verb;
  job.arguments = arguments;
  job.created = job.queued = wall_clock();
  const std::string first = stamp() + "-" + verb;
  job.id = first;
  std::error_code error;
  for (int n = 2; fs::exists(runs_ + "/" + job.id, error); ++n)
    job.id = first + "-" + std::to_string(n);
  JobCommand command = job_command(verb, arguments, folder_of(job), data_, models_);
  job.words = std::move(command.words);
  job.title = std::move(command.title);
  make_folder(folder_of(job));
  Job& kept = jobs_[job.id] = job;
  changed(kept);
  wake();
  return json_of(kept);
}

std::string JobQueue::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Job& job = job_of(id);
  if (is_over(job.state)) refuse_state(job, "queued, running or stopping");
  if (job.state == JobState::queued) {
    job.state = JobState::cancelled;
    job.ended = wall_clock();
  } else {
    interrupt(job.process, job.state == JobState::stopping);
    job.state = JobState::stopping;
  }
  changed(job);
  wake();
  return json_of(job);
}

std::string JobQueue::resume(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Job& job = job_of(id);
  if (job.state != JobState::cancelled && job.state != JobState::failed)
    refuse_state(job, "cancelled or failed");
  job.state = JobState::queued;
  job.queued = wall_clock();
  job.resumes = job.started > 0;
  job.ended = 0;
  job.code.reset();
  job.error.clear();
  changed(job);
  wake();
  return json_of(job);
}

std::string JobQueue::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Job& job = job_of(id);
  if (holds_process(job.state)) refuse_state(job, "one that does not run: cancel it first");
  const std::string json = json_of(job);
  std::error_code error;
  fs::remove_all(folder_of(job), error);
  if (error) file_error(folder_of(job), "cannot remove the folder: " + error.message());
  jobs_.erase(id);
  events_.publish("removed", removed_event(id));
  events_.publish("runs", "{}");
  return json;
}

std::string JobQueue::one(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return json_of(job_of(id));
}

std::string JobQueue::all() {
  const std::lock_guard lock(mutex_);
  std::vector<const Job*> listed;
  for (const auto& [id, job] : jobs_) listed.push_back(&job);
  std::sort(listed.begin(), listed.end(),
            [](const Job* a, const Job* b) { return a->created > b->created; });
  std::string text;
  for (const Job* job : listed) text += (text.empty() ? "" : ",") + json_of(*job);
  return "{\"jobs\":[" + text + "]}";
}

std::optional<JobState> JobQueue::state_of(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? std::nullopt : std::optional(found->second.state);
}

std::string JobQueue::unfinished_events() {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [id, job] : jobs_)
    if (!is_over(job.state)) text += event_text("job", json_of(job));
  return text;
}

std::string JobQueue::running() {
  const std::lock_guard lock(mutex_);
  return running_;
}

}  // namespace espalier::app
