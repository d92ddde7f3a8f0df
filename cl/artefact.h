// What is shipped of a network that goes on learning: a file in few bits, made anew after a task.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compress/quantize_model.h"
#include "nn/data/dataset.h"
#include "nn/vit.h"

namespace espalier {

// "f32", "f16", "bf16", "int8", "w8", "w4", "dynamic": as --dtype of the command.
std::vector<std::string> artefact_dtypes();
// An argument error in `function`'s name, with the names, for another.
void check_artefact_dtype(const char* function, const std::string& dtype);

// Writes the model atomically in that dtype. `model` is in evaluation mode. For "int8" the ranges
// of activations are observed on `images`, and an argument error without any; the other dtypes look
// at none.
void save_artefact(const std::string& path, const VisionTransformer& model,
                   const std::string& dtype, const QuantizeOptions& rounding,
                   const ImageDataset& images, std::map<std::string, std::string> notes = {});

}  // namespace espalier
