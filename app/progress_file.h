// --progress FILE: what a long verb is doing and how much is left, as JSON for other programs.
#pragma once

#include <string>
#include <vector>

namespace espalier::app {

// A part of a verb that is told apart: what it costs is `steps` of training, which take this
// machine's time, and `seconds` of measuring, which are known beforehand. A step takes `weight`
// times as long as one of another stage of weight 1.
struct ExpectedStage {
  std::string name;
  double steps = 0, seconds = 0, weight = 1;
};

// From now on `path` says what goes on; without this call nothing below does anything. The file is
// replaced at most three times a second, and always whole. What cannot be written is let go: no
// training ends because nobody can watch it.
void keep_progress_file(const std::string& path);

// Beforehand: all stages to come, in their order. Without it each stage is the only one.
void expect_stages(std::vector<ExpectedStage> stages);
// The next expected one whose name begins `name`, or one that nobody expected.
void begin_stage(const std::string& name);
// `done` of `total` steps of the present stage.
void note_progress(long done, long total, const std::string& text);
void note_progress(const std::string& text);
// The last thing written: the exit code, and the error if there was one.
void end_progress(int code, const std::string& error);

}  // namespace espalier::app
