#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "app/model_forms.h"
#include "app/progress_file.h"
#include "app/run_folder.h"
#include "bench/model_profile.h"
#include "bench/png.h"
#include "engine/io/file.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

struct ProfileFlags : CommonFlags {
  ProfileFlags() { gpu_elsewhere = "bench model and bench step"; }
  std::string model, dtype, trace, roofline, run_dir;
  int64_t batch = 1;
  double seconds = 2;
};

void keep(const bench::ModelProfile& profile, const std::string& folder) {
  create_result_folder(folder, "profile.json");
  bench::save_png(draw(bench::profile_roofline(profile)), folder + "/roofline.png");
  write_atomically(folder + "/profile.json", bench::profile_json(profile) + "\n");
}

int run(const ProfileFlags& flags) {
  apply_machine_flags(flags);
  begin_stage("profiling " + flags.model);
  const LoadedModel model = loaded_model_of(flags.model);
  const bench::ModelForm form =
      form_of("profile", model, flags.dtype.empty() ? model.dtype : flags.dtype);
  const bench::ModelProfile profile =
      bench::profile_model(model.config, form, flags.batch, num_threads(), flags.seconds);
  if (!flags.run_dir.empty()) keep(profile, flags.run_dir);
  if (!flags.trace.empty()) write_atomically(flags.trace, bench::trace_json(profile));
  if (!flags.roofline.empty())
    bench::save_png(draw(bench::profile_roofline(profile)), flags.roofline);
  if (flags.json)
    std::printf("%s\n", bench::profile_json(profile).c_str());
  else
    std::printf("%s", bench::profile_table(profile).c_str());
  return done;
}

}  // namespace

void add_profile(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<ProfileFlags>();
  CLI::App* verb = app.add_subcommand(
      "profile", "Where a compiled model's time goes, against this machine's ceilings");
  verb->add_option("model", flags->model, "vit-tiny, vit-fashion, vit-peer, or a model file")
      ->required();
  verb->add_option("--dtype", flags->dtype,
                   "Form to profile: what weights are stored in, or whole numbers up to the head "
                   "with the ranges of random images (default: what the model comes in)")
      ->check(CLI::IsMember(form_names()));
  verb->add_option("-b,--batch", flags->batch, "Images in a batch")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  verb->add_option("--seconds", flags->seconds, "Time to run for")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  verb->add_option("--trace", flags->trace,
                   "Write one run's trace to this JSON file, for Perfetto or chrome://tracing");
  verb->add_option("--roofline", flags->roofline, "Draw the steps under the roofs into this PNG");
  verb->add_option("--run-dir", flags->run_dir,
                   "Folder to keep it in: profile.json, roofline.png and env.json");
  add_json_flag(*verb, *flags);
  add_machine_flags(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
