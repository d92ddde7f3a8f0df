// Attention rollout against the same sums written out in double, from the module's own weights.
#include "nn/attention_map.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "engine/ops/view.h"
#include "engine/random.h"
#include "tests/small_vit.h"

namespace espalier {
namespace {

using Rows = std::vector<std::vector<double>>;

Rows rows_of(const Tensor& x) {
  const int64_t width = x.size(x.rank() - 1), count = x.numel() / width;
  Rows out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    out[static_cast<size_t>(i)].assign(x.data<float>() + i * width,
                                       x.data<float>() + (i + 1) * width);
  return out;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> softmax_of(std::vector<double> x) {
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value);
  for (double& value : x) value /= sum;
  return x;
}

struct Naive {
  const ViTConfig& config;
  std::map<std::string, Rows> weights{};

  Rows linear(const std::string& name, const Rows& x) const {
    Rows out;
    for (const auto& row : x) {
      out.emplace_back();
      for (size_t o = 0; o < weights.at(name + ".weight").size(); ++o)
        out.back().push_back(dot(row, weights.at(name + ".weight")[o]) +
                             weights.at(name + ".bias")[0][o]);
    }
    return out;
  }

  Rows norm(const std::string& name, Rows x) const {
    for (auto& row : x) {
      const double n = static_cast<double>(row.size());
      double mean = 0, variance = 0;
      for (double v : row) mean += v / n;
      for (double v : row) variance += (v - mean) * (v - mean) / n;
      for (size_t i = 0; i < row.size(); ++i)
        row[i] = (row[i] - mean) / std::sqrt(variance + 1e-5) * weights.at(name + ".weight")[0][i] +
                 weights.at(name + ".bias")[0][i];
    }
    return x;
  }

  Rows attention(const Rows& tokens) const {
    const Rows qkv = linear("blocks.0.attention.qkv", norm("blocks.0.norm1", tokens));
    const auto heads = static_cast<size_t>(config.heads), width = qkv[0].size() / 3,
               d = width / heads;
    Rows out(tokens.size(), std::vector<double>(tokens.size()));
    for (size_t h = 0; h < heads; ++h)
      for (size_t q = 0; q < tokens.size(); ++q) {
        std::vector<double> scores;
        for (size_t k = 0; k < tokens.size(); ++k) {
          double score = 0;
          for (size_t i = 0; i < d; ++i) score += qkv[q][h * d + i] * qkv[k][width + h * d + i];
          scores.push_back(score / std::sqrt(static_cast<double>(d)));
        }
        scores = softmax_of(scores);
        for (size_t k = 0; k < tokens.size(); ++k)
          out[q][k] += scores[k] / static_cast<double>(heads);
      }
    return out;
  }
};

std::vector<double> naive_map(const VisionTransformer& model, const Tensor& image) {
  Naive naive{model.config};
  for (const auto& [name, tensor] : model.state_dict()) naive.weights[name] = rows_of(tensor);
  const Rows entering = rows_of(model.run_stages(image, 0, 1));
  const Rows leaving = rows_of(model.run_stages(image, 0, 2));
  std::vector<double> pooled(entering.size());
  pooled[0] = 1;
  if (model.config.pooling == "sequence") {
    pooled.clear();
    for (const auto& row : naive.linear("attention_pool", naive.norm("norm", leaving)))
      pooled.push_back(row[0]);
    pooled = softmax_of(pooled);
  }
  const Rows attention = naive.attention(entering);
  std::vector<double> share(pooled.size());
  for (size_t k = 0; k < share.size(); ++k) {
    for (size_t q = 0; q < share.size(); ++q) share[k] += pooled[q] * attention[q][k] / 2;
    share[k] += pooled[k] / 2;
  }
  if (model.config.pooling == "class") share.erase(share.begin());
  double sum = 0;
  for (double each : share) sum += each;
  for (double& each : share) each /= sum;
  return share;
}

TEST_CASE("an attention map is the rollout of the model's own attention, and adds up to 1") {
  for (const char* pooling : {"sequence", "class"}) {
    CAPTURE(pooling);
    auto model = test::small_vit(pooling);
    model->eval();
    // Weights large enough that no row of attention is nearly uniform.
    Generator generator(3);
    for (auto& [name, tensor] : model->state_dict())
      if (name.find("qkv.weight") != name.npos) tensor.copy_(normal(tensor.shape(), generator));
    const Tensor images = normal(model->config.batch_shape(2), generator);
    const Tensor maps = attention_map(*model, images);
    const int64_t grid = model->config.grid();
    REQUIRE(maps.shape() == Shape{2, grid, grid});
    const Tensor second = attention_map(*model, slice(images, 0, 1, 2));
    const std::vector<double> expected = naive_map(*model, slice(images, 0, 1, 2));
    double sum = 0, most = 0;
    for (int64_t i = 0; i < grid * grid; ++i) {
      const double got = static_cast<double>(second.data<float>()[i]);
      // Scores of some tens move the exponential by as many ulps; shares are of it.
      CHECK(std::abs(got - expected[static_cast<size_t>(i)]) < 64 * 0x1p-23);
      CHECK(maps.data<float>()[grid * grid + i] == second.data<float>()[i]);
      sum += got;
      most = std::max(most, got);
    }
    CHECK(std::abs(sum - 1) < static_cast<double>(grid * grid) * 0x1p-24 * 2);
    CHECK(most > 1.1 / static_cast<double>(grid * grid));
  }
}

}  // namespace
}  // namespace espalier
