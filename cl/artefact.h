// What is shipped of a network that goes on learning: a file in few bits, made anew after a task.
#pragma once

#include <map>
#include <string>

#include "compress/quantize_model.h"
#include "nn/data/dataset.h"
#include "nn/vit.h"

namespace espalier {

// An argument error in `function`'s name for what is none of artefact_dtypes() (cl/learn_config.h).
void check_artefact_dtype(const char* function, const std::string& dtype);

// Writes the model atomically in that dtype. `model` is in evaluation mode. For "int8" the ranges
// of activations are observed on `images`, and an argument error without any; the other dtypes look
// at none.
void save_artefact(const std::string& path, const VisionTransformer& model,
                   const std::string& dtype, const QuantizeOptions& rounding,
                   const ImageDataset& images, std::map<std::string, std::string> notes = {});

}  // namespace espalier
