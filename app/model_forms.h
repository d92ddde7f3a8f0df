// The forms that a model is timed and profiled in, by the names that --dtype takes.
#pragma once

#include <string>
#include <vector>

#include "bench/model_form.h"
#include "nn/model_file.h"

namespace espalier::app {

// f32, bf16, f16: what the weights of an fp32 model are stored in; int8: whole numbers; w8, w4:
// what the weights of its linear layers are stored in, 32 codes of 4 bits to a scale.
std::vector<std::string> form_names();
// int8 of an fp32 model has the ranges of random images, which take as long as any others. An
// argument error that names `verb` where the file holds no fp32 model and another form than its own
// is asked for.
bench::ModelForm form_of(const char* verb, const LoadedModel& model, const std::string& dtype);

}  // namespace espalier::app
