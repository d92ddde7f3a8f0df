#include "app/model_forms.h"

#include <algorithm>

#include "compress/convert.h"
#include "engine/random.h"
#include "nn/int8_graph.h"

namespace espalier::app {
namespace {

// What a plan can store the weights of an fp32 model in.
constexpr DType weight_dtypes[] = {DType::f32, DType::bf16, DType::f16};
constexpr const char* int8_name = "int8";

// With the ranges of random images, which take as long as any others.
Graph in_whole_numbers(const LoadedModel& model) {
  constexpr int64_t images = 64;
  Generator generator(1);
  return int8_graph(model.graph,
                    convert_int8(model.graph, normal(model.config.batch_shape(images), generator)));
}

}  // namespace

std::vector<std::string> form_names() {
  std::vector<std::string> names;
  for (DType dtype : weight_dtypes) names.push_back(dtype_name(dtype));
  names.push_back(int8_name);
  return names;
}

bench::ModelForm form_of(const char* verb, const LoadedModel& model, const std::string& dtype) {
  if (dtype == int8_name) return {model.model ? in_whole_numbers(model) : model.graph};
  if (!model.model)
    argument_error(verb, "--dtype", dtype, int8_name, "the file holds a model in whole numbers");
  const auto weights = std::find_if(std::begin(weight_dtypes), std::end(weight_dtypes),
                                    [&](DType each) { return dtype == dtype_name(each); });
  return {model.graph, *weights};
}

}  // namespace espalier::app
