#include "compress/pruning/select.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "engine/dispatch.h"
#include "engine/error.h"
#include "kernels/gemm_f32/gemm_f32.h"

namespace espalier {
namespace {

constexpr const char* name_of_selection = "select_channels";

class Selector {
 public:
  Selector(const Coupling& coupling, const ChannelScores& scores, const SelectionOptions& options)
      : coupling_(coupling), scores_(scores), options_(options), steps_(options.steps) {
    check();
    for (size_t g = 0; g < coupling.groups.size(); ++g) add_candidates(g);
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      return std::tie(a.rank, a.group, a.place) < std::tie(b.rank, b.group, b.place);
    });
  }

  KeptChannels select(const CostFunction& cost) {
    if (options_.fraction == 0) return kept(widths_after(0));
    const double present = cost(widths_after(0));
    const double whole = options_.whole > 0 ? options_.whole : present;
    const double most = (1 - options_.fraction) * whole;
    if (present <= most) return kept(widths_after(0));
    size_t too_few = 0, enough = candidates_.size();
    for (double least = 0; least = cost(widths_after(enough)), !(least <= most);)
      if (!halve_steps())
        argument_error(name_of_selection, "fraction", std::to_string(options_.fraction),
                       "at most " + std::to_string(1 - least / whole),
                       "one channel of each group stays, and what is no group's");
    while (enough - too_few > 1) {
      const size_t middle = too_few + (enough - too_few) / 2;
      (cost(widths_after(middle)) <= most ? enough : too_few) = middle;
    }
    return kept(
        restored(widths_after(enough), enough, [&](const Widths& w) { return cost(w) <= most; }));
  }

 private:
  // One channel less for a group: removed in the order of `rank`.
  struct Candidate {
    double rank;
    size_t group, place;
  };

  void check() const {
    if (!(options_.fraction >= 0 && options_.fraction < 1))
      argument_error(name_of_selection, "fraction", std::to_string(options_.fraction), "0 up to 1",
                     "");
    if (!(options_.whole >= 0 && std::isfinite(options_.whole)))
      argument_error(name_of_selection, "whole", std::to_string(options_.whole),
                     "a cost, or 0 for the model's own", "");
    bool fits = scores_.size() == coupling_.groups.size();
    for (size_t g = 0; fits && g < scores_.size(); ++g)
      fits = static_cast<int64_t>(scores_[g].size()) == coupling_.groups[g].count;
    if (!fits)
      argument_error(name_of_selection, "scores", "of other groups", "those of this coupling", "");
    for (const auto& scores : scores_)
      for (double score : scores)
        if (!std::isfinite(score))
          argument_error(name_of_selection, "scores", std::to_string(score), "finite numbers", "");
    for (const auto& [kind, step] : steps_)
      if (step < 1)
        argument_error(name_of_selection, name_of(kind), "a step of " + std::to_string(step),
                       "at least 1", "");
  }

  bool wanted(GroupKind kind) const {
    return std::find(options_.kinds.begin(), options_.kinds.end(), kind) != options_.kinds.end();
  }

  int64_t step_of(GroupKind kind) const {
    const auto found = steps_.find(kind);
    return found == steps_.end() ? 1 : found->second;
  }

  // False where all are 1.
  bool halve_steps() {
    bool halved = false;
    for (auto& [kind, step] : steps_)
      if (step > 1) {
        step /= 2;
        halved = true;
      }
    return halved;
  }

  // The group's channels, the least first; of equal ones the last.
  std::vector<int64_t> order(size_t g) const {
    std::vector<int64_t> order(scores_[g].size());
    std::iota(order.rbegin(), order.rend(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return scores_[g][static_cast<size_t>(a)] < scores_[g][static_cast<size_t>(b)];
    });
    return order;
  }

  void add_candidates(size_t g) {
    order_.push_back(order(g));
    if (!wanted(coupling_.groups[g].kind)) return;
    const auto count = static_cast<double>(order_[g].size());
    for (size_t place = 0; place + 1 < order_[g].size(); ++place) {
      const double score = scores_[g][static_cast<size_t>(order_[g][place])];
      const double share = (static_cast<double>(place) + 0.5) / count;
      candidates_.push_back({options_.ranking == Ranking::global ? score : share, g, place});
    }
  }

  // The widths without the first `removed` candidates, rounded up to steps.
  Widths widths_after(size_t removed) const {
    Widths widths = full_widths(coupling_);
    for (size_t i = 0; i < removed; ++i) --widths[candidates_[i].group];
    for (size_t g = 0; g < widths.size(); ++g) {
      const int64_t step = step_of(coupling_.groups[g].kind);
      widths[g] = std::min(coupling_.groups[g].count, (widths[g] + step - 1) / step * step);
    }
    return widths;
  }

  // One step of a wide group may save far more than the target asks for: steps come back, those of
  // the last candidates first, where the widths stay cheap enough.
  Widths restored(Widths widths, size_t removed,
                  FunctionRef<bool(const Widths& widths)> cheap_enough) const {
    std::vector<bool> closed(widths.size());
    while (removed-- > 0) {
      const size_t g = candidates_[removed].group;
      const int64_t count = coupling_.groups[g].count, width = widths[g];
      if (closed[g] || width == count) continue;
      widths[g] = std::min(count, width + step_of(coupling_.groups[g].kind));
      if (cheap_enough(widths)) continue;
      widths[g] = width;
      closed[g] = true;
    }
    return widths;
  }

  KeptChannels kept(const Widths& widths) const {
    KeptChannels all;
    for (size_t g = 0; g < widths.size(); ++g) {
      all.emplace_back(order_[g].end() - widths[g], order_[g].end());
      std::sort(all.back().begin(), all.back().end());
    }
    return all;
  }

  const Coupling& coupling_;
  const ChannelScores& scores_;
  const SelectionOptions& options_;
  WidthSteps steps_;                         // those of the options, or finer ones
  std::vector<std::vector<int64_t>> order_;  // of each group
  std::vector<Candidate> candidates_;
};

}  // namespace

Widths widths_of(const KeptChannels& kept) {
  Widths widths;
  for (const auto& channels : kept) widths.push_back(static_cast<int64_t>(channels.size()));
  return widths;
}

WidthSteps kernel_steps() {
  const int64_t panel = kernel(gemm_kernels<float>()).panel;
  return {{GroupKind::hidden, panel},
          {GroupKind::embedding, panel},
          {GroupKind::conv_channel, panel},
          {GroupKind::head_width, std::max<int64_t>(1, panel / 2)}};
}

KeptChannels select_channels(const Coupling& coupling, const ChannelScores& scores,
                             const CostFunction& cost, const SelectionOptions& options) {
  return Selector(coupling, scores, options).select(cost);
}

double cubic_sparsity(int64_t step, int64_t begin, int64_t end, double initial, double final) {
  if (step >= end) return final;
  if (step <= begin) return initial;
  const double left = static_cast<double>(end - step) / static_cast<double>(end - begin);
  return final + (initial - final) * left * left * left;
}

}  // namespace espalier
