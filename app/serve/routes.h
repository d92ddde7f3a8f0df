// The addresses of API.md: what is asked, and who answers.
#pragma once

#include <chrono>
#include <string>

#include "app/serve/events.h"
#include "app/serve/http.h"
#include "app/serve/job_queue.h"
#include "app/serve/model_list.h"
#include "app/serve/predictor.h"
#include "app/serve/run_results.h"

namespace espalier::app {

class Routes {
 public:
  struct Folders {
    std::string runs, models, data;
  };
  Routes(Folders folders, std::string token);

  // Of a request that Guard let through; throws HttpError.
  HttpAnswer operator()(const HttpRequest& request);
  // Ends every stream of events.
  void end_streams() { events_.close(); }
  std::string running_job() { return jobs_.running(); }
  // To be called now and then: an idle server is a small one.
  void forget_unless_used(std::chrono::seconds since) { predictor_.forget_unless_used(since); }

 private:
  HttpAnswer get(const HttpRequest& request);
  HttpAnswer post(const HttpRequest& request);
  HttpAnswer page() const;
  HttpAnswer events();
  HttpAnswer model_file(const std::string& id);
  HttpAnswer test_picture(const std::string& name);
  HttpAnswer run(const std::string& id);
  HttpAnswer run_file(const std::string& id_and_path, bool download);
  HttpAnswer pareto(const std::string& id);
  std::string machine_json();
  std::string runs_json();
  std::string run_head(const RunFolder& run);

  const Folders folders_;
  const std::string token_;
  EventHub events_;
  ModelList models_;
  TestPictures pictures_;
  Predictor predictor_;
  RunSummaries summaries_;
  JobQueue jobs_;
};

}  // namespace espalier::app
