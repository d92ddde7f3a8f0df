// Structured pruning: which channels go first, for which target, and what moves along with them.
#include "compress/pruning/select.h"

#include "engine/autograd.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/reduce.h"
#include "engine/plan.h"
#include "nn/int8_graph.h"
#include "nn/model_file.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "tests/int8_model.h"
#include "tests/pruning_model.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {

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

TEST_CASE("pruning: steps of width too coarse for a target are halved until they are not") {
  const auto model = random_model(named_config("vit-tiny"), 3);
  const Graph graph = capture(*model);
  const Coupling coupling = find_coupling(graph);
  const ChannelScores scores = channel_scores(coupling, l2_saliency(model->named_parameters()));
  const auto cost = [&](const Widths& widths) { return parameters_at(graph, coupling, widths); };
  const auto widths_at = [&](double fraction, int64_t step) {
    SelectionOptions options{.fraction = fraction};
    for (GroupKind kind : group_kinds) options.steps[kind] = kind == GroupKind::head ? 1 : step;
    return widths_of(select_channels(coupling, scores, cost, options));
  };
  const double whole = cost(full_widths(coupling));
  const Widths coarse = widths_at(0.7, 32), finer = widths_at(0.9, 32);
  CHECK(cost(coarse) <= 0.3 * whole);
  CHECK(cost(finer) <= 0.1 * whole);
  for (size_t g = 0; g < coarse.size(); ++g) {
    if (coupling.groups[g].kind == GroupKind::head) continue;
    CHECK(coarse[g] % 32 == 0);  // those that do are kept
    CHECK(finer[g] % 16 == 0);
  }
  CHECK(finer == widths_at(0.9, 16));
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

TEST_CASE("pruning: a latency that is given is met, in one round or in several") {
  const ViTConfig config = small_config("conv", "class");
  const auto model = random_model(config, 3);
  int64_t asked = 0;
  // As a clock might say: widths cost by the four, and something always stays.
  const auto seconds = [](const ViTConfig& c) {
    int64_t fours = 5 + (c.width + 3) / 4;
    for (int64_t i = 0; i < c.depth; ++i)
      fours += (c.block(i).mlp_hidden + 3) / 4 + (c.block(i).heads * c.block(i).head_dim + 3) / 4;
    return static_cast<double>(fours);
  };
  PruneOptions options;
  options.target = "latency";
  options.latency = [&](const ViTConfig& c) { return ++asked, seconds(c) / seconds(config); };
  CHECK(whole_cost(*model, options) == 1);
  for (double fraction : {0.2, 0.4, 0.5}) {
    options.selection.fraction = fraction;
    const SmallerModel pruned = prune_model(*model, options, {});
    const double share = options.latency(pruned.model->config);
    CHECK(share <= 1 - fraction);
    CHECK(share > 1 - fraction - 2 / seconds(config));  // one step more would have been too many
    options.selection.fraction = fraction / 2;
    const SmallerModel first = prune_model(*model, options, {});
    options.selection.fraction = fraction;
    const SmallerModel second = prune_model(*first.model, options, {});
    CHECK(options.latency(second.model->config) <= 1 - fraction);
    CHECK(options.latency(second.model->config) > 1 - fraction - 2 / seconds(config));
  }
  CHECK(asked < 1000);
  options.selection.fraction = 0.01;  // already met
  const SmallerModel narrow = prune_model(*model, {.selection = {.fraction = 0.6}}, {});
  const SmallerModel same = prune_model(*narrow.model, options, {});
  CHECK(to_json(same.model->config) == to_json(narrow.model->config));
}

TEST_CASE("pruning: a share of the whole is not one of what is left") {
  const auto model = random_model(small_config("conv", "sequence"), 3);
  PruneOptions options;
  for (const char* target : {"parameters", "flops"}) {
    options.target = target;
    options.selection = {.fraction = 0.3};
    const SmallerModel first = prune_model(*model, options, {});
    options.selection = {.fraction = 0.5, .whole = whole_cost(*model, options)};
    const SmallerModel second = prune_model(*first.model, options, {});
    const double left = whole_cost(*second.model, options);
    CHECK(left <= 0.5 * options.selection.whole);
    CHECK(left > 0.4 * options.selection.whole);
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
  const SmallerModel pruned =
      prune(*model, coupling, keep_at_random(coupling, all, 0.5, generator));
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
    PruneOptions options;
    options.importance = importance;
    options.selection.fraction = 0.6;
    const ImageDataset samples{Tensor::full({5, 8, 8, 1}, 7, DType::u8),
                               Tensor::of<int64_t>({0, 1, 2, 3, 4}, {5}),
                               {"a", "b", "c", "d", "e"}};
    const SmallerModel pruned = prune_model(*model, options, samples);
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
  CHECK(contains(refusal_of([&] { prune_model(*model, {.importance = "luck"}, {}); }), "l1, l2"));
  CHECK(
      contains(refusal_of([&] { prune_model(*model, {.importance = "taylor"}, {}); }), "samples"));
  CHECK(contains(refusal_of([&] { prune_model(*model, {.target = "joy"}, {}); }), "flops"));
  CHECK(contains(refusal_of([&] { prune_model(*model, {.target = "latency"}, {}); }),
                 "latency is none"));
  refused({.whole = -1}, "whole is -1");
}

}  // namespace espalier::test
