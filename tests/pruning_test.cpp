// Structured pruning: which channels go together, and that a smaller model computes what the larger
// one does with zeros in their place.
#include "compress/pruning/prune.h"

#include "engine/autograd.h"
#include "engine/capture.h"
#include "engine/ops/attention.h"
#include "engine/ops/binary.h"
#include "engine/ops/cat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/gelu.h"
#include "engine/ops/linear.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/reduce.h"
#include "engine/ops/relu.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "engine/replay.h"
#include "tests/pruning_model.h"

namespace espalier::test {
namespace {

constexpr double fractions[] = {0.1, 0.3, 0.5, 0.7, 0.9};

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
  config.convs_per_pool = 1 + generator.below(3);
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
  const SmallerModel pruned = prune(*s.model, s.coupling, kept);
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

}  // namespace espalier::test
