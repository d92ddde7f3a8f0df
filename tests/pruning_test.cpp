// Structured pruning: which channels go together, which go first, and what is left.
#include "compress/pruning/prune.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/autograd.h"
#include "engine/capture.h"
#include "engine/ops/attention.h"
#include "engine/ops/binary.h"
#include "engine/ops/cat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/gelu.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/reduce.h"
#include "engine/ops/relu.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "engine/plan.h"
#include "engine/replay.h"
#include "nn/int8_graph.h"
#include "nn/model_file.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "tests/gradient_test.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

constexpr double fractions[] = {0.1, 0.3, 0.5, 0.7, 0.9};

std::unique_ptr<VisionTransformer> random_model(const ViTConfig& config, uint64_t seed) {
  Generator generator(seed);
  auto model = std::make_unique<VisionTransformer>(config, generator);
  model->eval();
  for (const auto& [name, parameter] : model->state_dict())
    parameter.copy_(normal(parameter.shape(), generator, 0.4));
  return model;
}

std::vector<PruningGroup> groups_of_kind(const Coupling& coupling, GroupKind kind) {
  std::vector<PruningGroup> found;
  for (const PruningGroup& group : coupling.groups)
    if (group.kind == kind) found.push_back(group);
  return found;
}

// A share of the channels of each group of these kinds, at random; at least one stays.
KeptChannels keep_at_random(const Coupling& coupling, const std::set<GroupKind>& kinds,
                            double fraction, Generator& generator) {
  KeptChannels kept;
  for (const PruningGroup& group : coupling.groups) {
    std::vector<int64_t> channels = permutation(group.count, generator);
    const double left = static_cast<double>(group.count) * (1 - fraction);
    if (kinds.count(group.kind))
      channels.resize(static_cast<size_t>(std::max(1.0, std::nearbyint(left))));
    std::sort(channels.begin(), channels.end());
    kept.push_back(channels);
  }
  return kept;
}

// Copies of the parameters with zeros for the channels that go.
NamedTensors zeroed(const NamedTensors& parameters, const Coupling& coupling,
                    const KeptChannels& kept) {
  NamedTensors out;
  for (const auto& [name, parameter] : parameters) {
    const Tensor copy = Tensor::empty(parameter.shape());
    copy.copy_(parameter.detach());
    for (size_t g = 0; g < kept.size(); ++g)
      for (const PruningGroup::Member& member : coupling.groups[g].members) {
        if (member.parameter != name) continue;
        for (int64_t i = 0; i < copy.size(member.dim); ++i) {
          const int64_t channel = coupling.groups[g].channel_of(member, i);
          if (!std::binary_search(kept[g].begin(), kept[g].end(), channel))
            slice(copy, member.dim, i, i + 1).fill_(0);
        }
      }
    out.emplace_back(name, copy);
  }
  return out;
}

// Over the kept columns alone, zero elsewhere.
Tensor norm_of_kept(const NodeCall& call, const std::vector<int64_t>& kept) {
  const Tensor x = contiguous(call.in(0)), y = Tensor::zeros(x.shape());
  const float *weight = call.in(1).data<float>(), *bias = call.in(2).data<float>();
  const int64_t width = x.shape().back();
  const auto count = static_cast<double>(kept.size());
  for (int64_t row = 0; row < x.numel(); row += width) {
    double mean = 0, variance = 0;
    for (int64_t c : kept) mean += static_cast<double>(x.data<float>()[row + c]) / count;
    for (int64_t c : kept)
      variance += std::pow(static_cast<double>(x.data<float>()[row + c]) - mean, 2) / count;
    for (int64_t c : kept)
      y.data<float>()[row + c] = static_cast<float>(
          (static_cast<double>(x.data<float>()[row + c]) - mean) /
              std::sqrt(variance + call.real("eps")) * static_cast<double>(weight[c]) +
          static_cast<double>(bias[c]));
  }
  return y;
}

// Sums in another order, each of at most `terms` terms, `sums` of them behind each other.
void check_close(const Tensor& found, const Tensor& expected, int64_t sums, int64_t terms) {
  const std::vector<double> a = found.to_vector(), b = expected.to_vector();
  REQUIRE(a.size() == b.size());
  double largest = 0, difference = 0;
  for (double value : b) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < a.size(); ++i) difference = std::max(difference, std::abs(a[i] - b[i]));
  const auto roundings = static_cast<double>(2 * sums * terms);
  CHECK(largest > 0);
  CHECK(difference <= roundings * std::numeric_limits<float>::epsilon() * largest);
}

ViTConfig random_config(Generator& generator) {
  const auto one_of = [&](std::initializer_list<const char*> names) {
    return std::string(names.begin()[generator.below(static_cast<int64_t>(names.size()))]);
  };
  ViTConfig config{.image_size = 8,
                   .classes = 3,
                   .tokenizer = one_of({"patch", "conv"}),
                   .patch_size = 4,
                   .conv_channels = {},
                   .width = 1,
                   .depth = 1 + generator.below(3),
                   .heads = 1 + generator.below(4),
                   .mlp_hidden = 2 + generator.below(30),
                   .pooling = one_of({"class", "sequence"})};
  config.width = config.heads * (2 + generator.below(7));
  const int64_t stems = generator.below(3);
  for (int64_t i = 0; i < stems; ++i) config.conv_channels.push_back(2 + generator.below(10));
  return config;
}

// A model, what couples in it, and a copy that takes zeros for what goes.
struct Subject {
  std::unique_ptr<VisionTransformer> model, reference;
  Graph graph, reference_graph;
  Coupling coupling;

  Subject(const ViTConfig& config, uint64_t seed)
      : model(random_model(config, seed)),
        reference(random_model(config, seed)),
        graph(capture(*model)),
        reference_graph(capture(*reference)),
        coupling(find_coupling(graph)) {}

  // The logits with zeros, and norms over the channels of the stream that stay.
  Tensor expected(const KeptChannels& kept, const Tensor& images) const {
    reference->load_state_dict(zeroed(model->state_dict(), coupling, kept));
    std::vector<int64_t> embedding;
    for (size_t g = 0; g < kept.size(); ++g)
      if (coupling.groups[g].kind == GroupKind::embedding) embedding = kept[g];
    return replay(reference_graph, images, [&](const NodeCall& call) {
      const bool norm = std::string(call.node.op->name) == "layer_norm" && !embedding.empty();
      return norm ? norm_of_kept(call, embedding) : call.run();
    });
  }
};

void check_pruned(const Subject& s, const std::set<GroupKind>& kinds, double fraction,
                  Generator& generator) {
  const KeptChannels kept = keep_at_random(s.coupling, kinds, fraction, generator);
  const PrunedModel pruned = prune(*s.model, s.coupling, kept);
  const ViTConfig& config = s.model->config;
  const int64_t parameters = pruned.model->parameter_count();
  CHECK(parameters_at(s.graph, s.coupling, widths_of(kept)) == static_cast<double>(parameters));
  CHECK(pruned.model->config.parameter_count() == parameters);
  for (const auto& [name, parameter] : pruned.model->named_parameters())
    CHECK(parameter.numel() > 0);
  const Tensor images = normal(config.batch_shape(2), generator);
  const int64_t sums = 6 * config.depth + 6;
  const int64_t terms = std::max({9 * config.width, config.mlp_hidden, config.tokens()});
  check_close((*pruned.model)(images), s.expected(kept, images), sums, terms);
}

// The graph of what is left has the same operations on fewer channels.
void check_graph(const Subject& s, double fraction, Generator& generator) {
  const std::set<GroupKind> all(std::begin(group_kinds), std::end(group_kinds));
  const KeptChannels kept = keep_at_random(s.coupling, all, fraction, generator);
  const Graph smaller = capture(*prune(*s.model, s.coupling, kept).model);
  REQUIRE(smaller.nodes.size() == s.graph.nodes.size());
  for (size_t n = 0; n < smaller.nodes.size(); ++n)
    CHECK(smaller.nodes[n].op == s.graph.nodes[n].op);
  const Coupling again = find_coupling(smaller);
  CHECK(flops_at(smaller, again, full_widths(again)) ==
        flops_at(s.graph, s.coupling, widths_of(kept)));
}

}  // namespace

TEST_CASE("pruning: groups are read off a model's graph") {
  const ViTConfig config{.image_size = 8,
                         .classes = 3,
                         .conv_channels = {4, 6},
                         .width = 10,
                         .depth = 2,
                         .heads = 2,
                         .mlp_hidden = 7};
  const Coupling coupling = find_coupling(capture(*random_model(config, 1)));
  const auto counts = [&](GroupKind kind) {
    std::vector<int64_t> found;
    for (const PruningGroup& group : groups_of_kind(coupling, kind)) found.push_back(group.count);
    return found;
  };
  CHECK(counts(GroupKind::conv_channel) == std::vector<int64_t>{4, 6});
  CHECK(counts(GroupKind::embedding) == std::vector<int64_t>{10});
  CHECK(counts(GroupKind::head) == std::vector<int64_t>{2, 2});
  CHECK(counts(GroupKind::head_width) == std::vector<int64_t>{5, 5});
  CHECK(counts(GroupKind::hidden) == std::vector<int64_t>{7, 7});

  const PruningGroup hidden = groups_of_kind(coupling, GroupKind::hidden)[0];
  std::set<std::string> members;
  for (const auto& m : hidden.members) members.insert(m.parameter + ":" + std::to_string(m.dim));
  CHECK(members == std::set<std::string>{"blocks.0.mlp.fc1.weight:0", "blocks.0.mlp.fc1.bias:0",
                                         "blocks.0.mlp.fc2.weight:1"});
  const PruningGroup heads = groups_of_kind(coupling, GroupKind::head)[1];
  CHECK(heads.members.size() == 3);  // of qkv.weight, qkv.bias and proj.weight
  for (const auto& member : heads.members) {
    CHECK(member.stride == 5);
    CHECK(heads.channel_of(member, 14) == 0);  // the second part's first head
    CHECK(heads.channel_of(member, 15) == 1);
  }
  // Every parameter reads or writes the stream, but for fc1's and qkv's biases, the two stems
  // before its maker, and the last bias of the pooling and of the head.
  CHECK(groups_of_kind(coupling, GroupKind::embedding)[0].members.size() ==
        2 + 2 * (2 * 2 + 1 + 2 + 1 + 2) + 2 + 2);
}

TEST_CASE("pruning: a smaller model is the model with zeros for what went") {
  const NoGradGuard off;
  Generator generator(11);
  const std::set<GroupKind> all(std::begin(group_kinds), std::end(group_kinds));
  for (int round = 0; round < 6; ++round) {
    const ViTConfig config = random_config(generator);
    const Subject subject(config, static_cast<uint64_t>(round));
    for (double fraction : fractions) {
      for (GroupKind kind : group_kinds) {
        INFO(to_json(config), ": ", fraction, " of ", name_of(kind));
        check_pruned(subject, {kind}, fraction, generator);
      }
      INFO(to_json(config), ": ", fraction, " of all");
      check_pruned(subject, all, fraction, generator);
      check_graph(subject, fraction, generator);
    }
  }
}

namespace {

// A network as a function of its parameters, so that it can be run with fewer channels.
struct Net {
  NamedTensors parameters;
  std::function<Tensor(const NamedTensors&, const Tensor&)> run;
  Shape sample;
  int64_t kernel_terms;
};

const Tensor& named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& entry : tensors)
    if (entry.first == name) return entry.second;
  FAIL("no " << name);
  return tensors.front().second;
}

// Convolutions with residuals around some, flattened in either order of elements or averaged, and
// an attention of heads of two values over pixels in between.
Net random_net(Generator& generator) {
  const int64_t c = 3 + generator.below(5), d = 2 + generator.below(6), h = 2 + generator.below(9);
  const int64_t heads = 2 + generator.below(3), form = generator.below(4);
  const int64_t residuals = generator.below(3), side = 6;
  NamedTensors p;
  const auto add_parameter = [&](const std::string& name, const Shape& shape) {
    p.emplace_back(name, normal(shape, generator, 0.5));
  };
  add_parameter("stem", {c, 3, 3, 2});
  add_parameter("stem.bias", {c});
  for (int64_t i = 0; i < residuals; ++i) {
    add_parameter("in" + std::to_string(i), {d, 3, 3, c});
    add_parameter("out" + std::to_string(i), {c, 1, 1, d});
  }
  add_parameter("qkv", {6 * heads, c});
  add_parameter("proj", {c, 2 * heads});
  const int64_t flat = form == 0 ? c : c * side * side / 4;
  add_parameter("fc1", {h, flat});
  add_parameter("fc1.bias", {h});
  add_parameter("fc2", {4, h});
  const auto run = [=](const NamedTensors& from, const Tensor& images) {
    const auto w = [&](const std::string& name) { return named(from, name); };
    Tensor x = relu(conv2d(images, w("stem"), w("stem.bias"), 1, 1));
    for (int64_t i = 0; i < residuals; ++i) {
      const Tensor inner = relu(conv2d(x, w("in" + std::to_string(i)), Tensor(), 1, 1));
      x = add(x, conv2d(inner, w("out" + std::to_string(i)), Tensor(), 1, 0));
    }
    x = reshape(max_pool2d(x, 2, 2, 0), {x.size(0), -1, x.size(3)});
    const Tensor qkv = linear(x, w("qkv"));
    x = add(x, linear(attention(qkv, qkv.size(2) / 6, qkv.size(1), 0.6), w("proj")));
    if (form == 0) x = mean(x, {1});
    if (form == 1) x = flatten(x, 1);
    if (form >= 2) x = flatten(transpose(x, 1, 2), 1);
    x = form == 3 ? relu(x) : x;
    return linear(gelu(linear(x, w("fc1"), w("fc1.bias"))), w("fc2"));
  };
  return {p, run, {side, side, 2}, std::max({9 * c, 9 * d, flat, h})};
}

}  // namespace

TEST_CASE("pruning: convolutions, residuals and flattened channels couple as they should") {
  const NoGradGuard off;
  Generator generator(5);
  // Heads have two values here, whatever is pruned.
  const std::set<GroupKind> kinds{GroupKind::hidden, GroupKind::head, GroupKind::conv_channel};
  for (int round = 0; round < 12; ++round) {
    const Net net = random_net(generator);
    const Graph graph = capture([&](const Tensor& x) { return net.run(net.parameters, x); },
                                net.sample, net.parameters);
    const Coupling coupling = find_coupling(graph);
    CHECK(groups_of_kind(coupling, GroupKind::conv_channel).size() >= 1);
    CHECK(groups_of_kind(coupling, GroupKind::head).size() == 1);
    CHECK(groups_of_kind(coupling, GroupKind::hidden).size() == 1);
    for (double fraction : fractions) {
      INFO("round ", round, ", ", fraction);
      const KeptChannels kept = keep_at_random(coupling, kinds, fraction, generator);
      const IndexMap map = kept_indices(net.parameters, coupling, kept);
      NamedTensors smaller;
      for (const auto& [name, tensor] : net.parameters)
        smaller.emplace_back(name, map.count(name) ? kept_part(tensor, map.at(name)) : tensor);
      const Tensor images = normal({2, 6, 6, 2}, generator);
      const Tensor expected = net.run(zeroed(net.parameters, coupling, kept), images);
      check_close(net.run(smaller, images), expected, 10, net.kernel_terms);
    }
  }
}

TEST_CASE("pruning: what nobody could shorten stays") {
  const auto groups = [](const std::function<Tensor(const Tensor&)>& f, const Shape& sample,
                         const NamedTensors& parameters) {
    return find_coupling(capture(f, sample, parameters)).groups;
  };
  const Tensor a = Tensor::full({6, 4}, 0.5), b = Tensor::full({3, 6}, 0.5);
  const Tensor row = Tensor::full({6}, 0.5);
  const auto between = [&](const std::function<Tensor(const Tensor&)>& f) {
    return groups([&](const Tensor& x) { return linear(f(linear(x, a)), b); }, {4},
                  {{"a", a}, {"b", b}})
        .size();
  };
  CHECK(between([](const Tensor& x) { return relu(x); }) == 1);
  CHECK(between([&](const Tensor& x) { return mul(x, row); }) == 0);  // a constant without a name
  CHECK(between([](const Tensor& x) {
          return cat({slice(x, 1, 0, 3), slice(x, 1, 3, 6)}, 1);
        }) == 0);
  CHECK(between([](const Tensor& x) { return softmax(x, 1); }) == 0);
  // 6 values as 2 x 3 and as 3 x 2 have no common parts.
  CHECK(between([](const Tensor& x) {
          return reshape(
              transpose(reshape(transpose(reshape(x, {-1, 2, 3}), 1, 2), {-1, 2, 3}), 1, 2),
              {-1, 6});
        }) == 0);
}

TEST_CASE("pruning: scores add up a channel's elements and are relative to the group's") {
  Coupling coupling;
  coupling.groups.push_back({GroupKind::hidden, 2, {{"a", 0, 1}, {"b", 1, 1}}});
  const NamedTensors parameters = {{"a", Tensor::of<float>({1, -2, 3, 0}, {2, 2})},
                                   {"b", Tensor::of<float>({2, -1}, {1, 2})}};
  // |1| + |-2| + |2| = 5 and 3 + 0 + 1 = 4; 1 + 4 + 4 = 9 and 9 + 0 + 1 = 10.
  const ChannelScores l1 = channel_scores(coupling, l1_saliency(parameters));
  CHECK(l1[0][0] == doctest::Approx(5 / 4.5));
  CHECK(l1[0][1] == doctest::Approx(4 / 4.5));
  const ChannelScores l2 = channel_scores(coupling, l2_saliency(parameters));
  CHECK(l2[0][0] == doctest::Approx(9 / 9.5));
  CHECK(l2[0][1] == doctest::Approx(10 / 9.5));
  CHECK(contains(refusal_of([&] { channel_scores(coupling, {parameters[0]}); }), "none of 'b'"));
  CHECK(random_scores(coupling, 3) == random_scores(coupling, 3));
  CHECK(random_scores(coupling, 3) != random_scores(coupling, 4));
}

TEST_CASE("pruning: Taylor importance is the squared product of weight and gradient by batch") {
  const Tensor w = Tensor::of<float>({2, -3}, {2});
  w.set_requires_grad();
  // The loss of batch b is (b + 1) w0 - w1: gradients b + 1 and -1.
  const NamedTensors saliency = taylor_saliency({{"w", w}}, 2, [&](int64_t b) {
    return sum(mul(w, Tensor::of<float>({static_cast<float>(b + 1), -1}, {2})), {0});
  });
  CHECK(saliency[0].second.to_vector() == std::vector<double>{4 + 16, 9 + 9});
  CHECK(w.grad().to_vector() == std::vector<double>{0, 0});
}

TEST_CASE("pruning: a selection reaches its target with the widths that steps allow") {
  const ViTConfig config{.image_size = 8,
                         .classes = 3,
                         .conv_channels = {20},
                         .width = 32,
                         .depth = 2,
                         .heads = 4,
                         .mlp_hidden = 40};
  const auto model = random_model(config, 3);
  const Graph graph = capture(*model);
  const Coupling coupling = find_coupling(graph);
  const ChannelScores scores = channel_scores(coupling, l2_saliency(model->named_parameters()));
  const CostFunction costs[] = {
      [&](const Widths& widths) { return parameters_at(graph, coupling, widths); },
      [&](const Widths& widths) { return flops_at(graph, coupling, widths); },
      [&](const Widths& widths) {  // as a clock might say
        double steps = 0;
        for (int64_t width : widths) steps += static_cast<double>((width + 7) / 8);
        return steps;
      }};
  CHECK(costs[0](full_widths(coupling)) == static_cast<double>(model->parameter_count()));
  double flops = 0;
  for (const Graph::Node& node : graph.nodes)
    flops += static_cast<double>(cost_of(graph, node, 1).flops);
  CHECK(costs[1](full_widths(coupling)) == flops);
  const WidthSteps steps = {{GroupKind::hidden, 8}, {GroupKind::embedding, 4}};
  for (Ranking ranking : {Ranking::global, Ranking::per_layer})
    for (const CostFunction& cost : costs)
      for (double fraction : {0.0, 0.1, 0.3, 0.5, 0.6}) {
        INFO(fraction);
        const SelectionOptions options{.fraction = fraction, .ranking = ranking, .steps = steps};
        const KeptChannels kept = select_channels(coupling, scores, cost, options);
        const Widths widths = widths_of(kept);
        CHECK(cost(widths) <= (1 - fraction) * cost(full_widths(coupling)));
        if (fraction == 0) CHECK(widths == full_widths(coupling));
        for (size_t g = 0; g < widths.size(); ++g) {
          CHECK(widths[g] >= 1);
          const auto step = steps.find(coupling.groups[g].kind);
          if (step != steps.end()) CHECK(widths[g] % step->second == 0);
          if (widths[g] < coupling.groups[g].count) {  // not one step more would have done
            Widths wider = widths;
            wider[g] += step != steps.end() ? step->second : 1;
            CHECK(cost(wider) > (1 - fraction) * cost(full_widths(coupling)));
          }
          // Nothing that went matters more than what stayed.
          double least = HUGE_VAL, most = 0;
          for (int64_t c = 0; c < coupling.groups[g].count; ++c) {
            const double score = scores[g][static_cast<size_t>(c)];
            const bool stays = std::binary_search(kept[g].begin(), kept[g].end(), c);
            (stays ? least : most) = stays ? std::min(least, score) : std::max(most, score);
          }
          CHECK(most <= least);
        }
      }
}

TEST_CASE("pruning: a ranking by layer takes the same share of each, a global one does not") {
  const auto model = random_model(named_config("vit-tiny"), 3);
  const Graph graph = capture(*model);
  const Coupling coupling = find_coupling(graph);
  ChannelScores scores = random_scores(coupling, 1);
  size_t hidden = 0;  // the last group of hidden units, which matters ten times as much
  for (size_t g = 0; g < scores.size(); ++g)
    if (coupling.groups[g].kind == GroupKind::hidden) hidden = g;
  for (double& score : scores[hidden]) score *= 10;
  const auto cost = [&](const Widths& widths) { return parameters_at(graph, coupling, widths); };
  SelectionOptions options{.fraction = 0.2, .kinds = {GroupKind::hidden}};
  const Widths global = widths_of(select_channels(coupling, scores, cost, options));
  options.ranking = Ranking::per_layer;
  const Widths even = widths_of(select_channels(coupling, scores, cost, options));
  for (size_t g = 0; g < global.size(); ++g) {
    if (coupling.groups[g].kind != GroupKind::hidden) {
      CHECK(global[g] == coupling.groups[g].count);
      continue;
    }
    CHECK(std::abs(even[g] - even[hidden]) <= 1);
    if (g != hidden) CHECK(global[g] < global[hidden]);
  }
}

TEST_CASE("pruning: moments and averages move along, and training goes on") {
  const ViTConfig config = small_config("conv", "sequence");
  const auto model = random_model(config, 3);
  AdamW optimizer(model->named_parameters(), {});
  WeightAverage average(optimizer.arena(), 0.9);
  const auto train = [&](const VisionTransformer& on) {
    const Tensor images = random_tensor(config.batch_shape(4), 5, DType::f32);
    optimizer.zero_grad();
    backward(cross_entropy(on(images), Tensor::of<int64_t>({0, 2, 1, 4}, {4})));
    optimizer.step(&average);
  };
  for (int i = 0; i < 3; ++i) train(*model);
  const Coupling coupling = find_coupling(capture(*model));
  Generator generator(1);
  const std::set<GroupKind> all(std::begin(group_kinds), std::end(group_kinds));
  const PrunedModel pruned = prune(*model, coupling, keep_at_random(coupling, all, 0.5, generator));
  NamedTensors before;
  for (const auto& [name, tensor] : optimizer.arena().companion_state()) {
    const auto found = pruned.kept.find(name.substr(name.find('.') + 1));
    before.emplace_back(
        name, found == pruned.kept.end()
                  ? kept_part(tensor, std::vector<KeptIndices>(static_cast<size_t>(tensor.rank())))
                  : kept_part(tensor, found->second));
  }
  const std::vector<double> head = pruned.model->state_dict().back().second.to_vector();
  optimizer.rebuild(pruned.model->named_parameters(), pruned.kept);
  CHECK(pruned.model->state_dict().back().second.to_vector() == head);
  size_t moved = 0;
  for (const auto& after : optimizer.arena().companion_state()) {
    INFO(after.first);
    CHECK(after.second.to_vector() == named(before, after.first).to_vector());
    for (double value : after.second.to_vector()) moved += value != 0;
  }
  CHECK(moved > 0);
  CHECK(optimizer.steps_done() == 3);
  const std::vector<double> values = optimizer.arena().values().to_vector();
  train(*pruned.model);
  CHECK(optimizer.steps_done() == 4);
  CHECK(optimizer.arena().values().to_vector() != values);
}

TEST_CASE("pruning: a pruned model is a model: planned, saved, and in whole numbers") {
  const NoGradGuard off;
  const TemporaryFolder folder;
  const auto model = random_model(small_config("patch", "class"), 3);
  for (const char* importance : {"l1", "l2", "random", "taylor"}) {
    INFO(importance);
    const GradGuard on(true);
    OneShotOptions options;
    options.importance = importance;
    options.selection.fraction = 0.6;
    const ImageDataset samples{Tensor::full({5, 8, 8, 1}, 7, DType::u8),
                               Tensor::of<int64_t>({0, 1, 2, 3, 4}, {5}),
                               {"a", "b", "c", "d", "e"}};
    const PrunedModel pruned = prune_one_shot(*model, options, samples);
    CHECK(pruned.model->parameter_count() <= 0.4 * static_cast<double>(model->parameter_count()));
    save_model(folder.file("m"), *pruned.model);
    const LoadedModel loaded = load_model(folder.file("m"));
    const NoGradGuard no_tape;
    const Tensor images = random_tensor({3, 8, 8, 1}, 5, DType::f32);
    const Tensor expected = (*pruned.model)(images);
    CHECK((*loaded.model)(images).to_vector() == expected.to_vector());
    check_close(compile(loaded.graph)(images), expected, 12, 24);
    Plan whole = compile(int8_graph(loaded.graph, convert_int8(loaded.graph, images)));
    CHECK(whole(images).shape() == expected.shape());
  }
}

TEST_CASE("pruning: uniform blocks stay uniform, others keep the scale of their heads") {
  const auto model = random_model(small_config("conv", "class"), 3);
  const Coupling coupling = find_coupling(capture(*model));
  Widths widths = full_widths(coupling);
  CHECK(to_json(pruned_config(model->config, coupling, widths)) == to_json(model->config));
  for (size_t g = 0; g < widths.size(); ++g)
    if (coupling.groups[g].kind == GroupKind::hidden) widths[g] = 5;
  CHECK(pruned_config(model->config, coupling, widths).mlp_hidden == 5);
  CHECK(pruned_config(model->config, coupling, widths).blocks.empty());
  for (size_t g = 0; g < widths.size(); ++g)
    if (coupling.groups[g].kind == GroupKind::head_width) widths[g] = 3;
  const ViTConfig config = pruned_config(model->config, coupling, widths);
  CHECK(config.blocks == std::vector<BlockShape>{{2, 3, 5, 8}, {2, 3, 5, 8}});
}

TEST_CASE("pruning: the gradual schedule is a cubic between its ends") {
  CHECK(cubic_sparsity(0, 10, 30, 0.1, 0.9) == 0.1);
  CHECK(cubic_sparsity(10, 10, 30, 0.1, 0.9) == doctest::Approx(0.1));
  CHECK(cubic_sparsity(20, 10, 30, 0.1, 0.9) == doctest::Approx(0.9 - 0.8 / 8));
  CHECK(cubic_sparsity(30, 10, 30, 0.1, 0.9) == 0.9);
  CHECK(cubic_sparsity(99, 10, 30, 0.1, 0.9) == 0.9);
  CHECK(cubic_sparsity(4, 5, 5, 0.1, 0.9) == 0.1);
  CHECK(cubic_sparsity(5, 5, 5, 0.1, 0.9) == 0.9);
}

TEST_CASE("pruning: what makes no model is refused") {
  const auto model = random_model(small_config("conv", "class"), 3);
  const Graph graph = capture(*model);
  const Coupling coupling = find_coupling(graph);
  const ChannelScores scores = random_scores(coupling, 1);
  const auto cost = [&](const Widths& widths) { return parameters_at(graph, coupling, widths); };
  const auto refused = [&](const SelectionOptions& options, const char* part) {
    const std::string message =
        refusal_of([&] { select_channels(coupling, scores, cost, options); });
    INFO(message);
    CHECK(contains(message, part));
  };
  refused({.fraction = 1}, "fraction is 1");
  refused({.fraction = -0.1}, "0 up to 1");
  refused({.fraction = std::nan("")}, "fraction is");
  refused({.fraction = 0.9, .kinds = {GroupKind::hidden}}, "expected at most 0.");
  refused({.fraction = 0.5, .kinds = {}}, "expected at most 0.");
  refused({.steps = {{GroupKind::hidden, 0}}}, "hidden is a step of 0");
  CHECK(contains(refusal_of([&] { select_channels(coupling, {}, cost, {}); }), "scores"));
  ChannelScores broken = scores;
  broken[0][0] = HUGE_VAL;
  CHECK(contains(refusal_of([&] { select_channels(coupling, broken, cost, {}); }), "finite"));

  Generator generator(1);
  const KeptChannels whole = keep_at_random(coupling, {}, 0, generator);
  for (const std::vector<int64_t>& bad :
       {std::vector<int64_t>{}, {1, 0}, {0, 0}, {-1, 0}, {0, 1000}}) {
    KeptChannels kept = whole;
    kept[0] = bad;
    CHECK(contains(refusal_of([&] { prune(*model, coupling, kept); }), "prune: kept is"));
  }
  CHECK(contains(refusal_of([&] { prune(*model, coupling, {}); }), "0 groups"));
  CHECK(contains(refusal_of([&] { group_kind_of("layers"); }), "one of hidden, heads"));
  CHECK(
      contains(refusal_of([&] { prune_one_shot(*model, {.importance = "luck"}, {}); }), "l1, l2"));
  CHECK(contains(refusal_of([&] { prune_one_shot(*model, {.importance = "taylor"}, {}); }),
                 "samples"));
  CHECK(contains(refusal_of([&] { prune_one_shot(*model, {.target = "joy"}, {}); }), "flops"));
}

}  // namespace espalier::test
