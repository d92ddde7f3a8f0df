#include "app/model_forms.h"

#include <algorithm>

#include "app/command.h"
#include "compress/convert.h"
#include "compress/weight_only.h"
#include "engine/random.h"
#include "nn/coded_weights.h"
#include "nn/int8_graph.h"

namespace espalier::app {
namespace {

// What a plan can store the weights of an fp32 model in.
constexpr DType weight_dtypes[] = {DType::f32, DType::bf16, DType::f16};
constexpr const char *int8_name = "int8", *w8_name = "w8", *w4_name = "w4",
                     *dynamic_name = "dynamic";

// With the ranges of random images, which take as long as any others.
Graph in_whole_numbers(const LoadedModel& model) {
  constexpr int64_t images = 64;
  Generator generator(1);
  return int8_graph(model.graph,
                    convert_int8(model.graph, normal(model.config.batch_shape(images), generator)));
}

Graph in_codes(const LoadedModel& model, const WeightOnlyOptions& how, bool dynamic = false) {
  return coded_graph(model.graph, weight_only(model.graph, how), how.group_size, dynamic);
}

}  // namespace

std::vector<std::string> form_names() {
  std::vector<std::string> names;
  for (DType dtype : weight_dtypes) names.push_back(dtype_name(dtype));
  for (const char* name : {int8_name, w8_name, w4_name, dynamic_name}) names.emplace_back(name);
  return names;
}

bench::ModelForm form_of(const char* verb, const LoadedModel& model, const std::string& dtype) {
  if (!model.model && dtype == model.dtype) return {model.graph};
  if (!model.model)
    argument_error(verb, "--dtype", dtype, model.dtype, "the file holds " + described(model));
  if (dtype == int8_name) return {in_whole_numbers(model)};
  if (dtype == w8_name) return {in_codes(model, {.bits = 8})};
  if (dtype == w4_name) return {in_codes(model, {.bits = 4, .group_size = 32})};
  if (dtype == dynamic_name) return {in_codes(model, {}, true)};
  const auto weights = std::find_if(std::begin(weight_dtypes), std::end(weight_dtypes),
                                    [&](DType each) { return dtype == dtype_name(each); });
  return {model.graph, *weights};
}

}  // namespace espalier::app
