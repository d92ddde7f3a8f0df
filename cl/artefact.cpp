#include "cl/artefact.h"

#include "cl/learn_config.h"
#include "compress/compress_config.h"
#include "engine/error.h"
#include "nn/evaluate.h"
#include "nn/model_file.h"

namespace espalier {

void check_artefact_dtype(const char* function, const std::string& dtype) {
  check_one_of(function, "dtype", dtype, artefact_dtypes());
}

void save_artefact(const std::string& path, const VisionTransformer& model,
                   const std::string& dtype, const QuantizeOptions& rounding,
                   const ImageDataset& images, std::map<std::string, std::string> notes) {
  constexpr const char* name = "save_artefact";
  check_artefact_dtype(name, dtype);
  CompressConfig form;
  form.dtype = dtype;
  const Graph graph = capture(model);
  if (dtype == "int8") {
    if (!images.images.defined() || images.size() == 0)
      argument_error(name, "images", "none", "some for ranges to be observed on", "");
    const IntegerModel whole =
        quantize_model(graph, normalized(images.images, model.config), rounding);
    notes["espalier.calibration_images"] = std::to_string(images.size());
    notes["espalier.observer"] = rounding.observer;
    save_int8_model(path, model.config, whole.graph, whole.parameters, notes);
  } else if (const auto codes = weight_codes_of(form)) {
    save_coded_model(path, model.config, graph, weight_only(graph, *codes), dtype,
                     codes->group_size, notes);
  } else {
    save_model(path, model, notes, stored_in(form));
  }
}

}  // namespace espalier
