#include "compress/auto_optimizer/search.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"

namespace espalier {
namespace {

struct Member {
  Candidate candidate;
  Expectation cost;
};

class Archive {
 public:
  explicit Archive(const CostTable& table) : table_(table) {}

  void offer(Candidate candidate) {
    if (!candidate.can_be_made(table_.parts)) return;
    const Expectation cost = expect(table_, candidate);
    for (const Member& member : members_)
      if (no_worse(member.cost, cost)) return;
    std::erase_if(members_, [&](const Member& member) { return no_worse(cost, member.cost); });
    members_.push_back({std::move(candidate), cost});
  }

  const Candidate& random(Generator& generator) const {
    return members_[static_cast<size_t>(generator.below(std::ssize(members_)))].candidate;
  }

  std::vector<Candidate> ascending() && {
    std::sort(members_.begin(), members_.end(),
              [](const Member& a, const Member& b) { return a.cost.seconds < b.cost.seconds; });
    std::vector<Candidate> out;
    for (Member& member : members_) out.push_back(std::move(member.candidate));
    return out;
  }

 private:
  static bool no_worse(const Expectation& a, const Expectation& b) {
    return a.seconds <= b.seconds && a.distance <= b.distance;
  }

  const CostTable& table_;
  std::vector<Member> members_;
};

class Breeder {
 public:
  Breeder(const CostTable& table, uint64_t seed) : table_(table), generator_(seed) {}

  Candidate child(const Archive& archive) {
    Candidate out = archive.random(generator_);
    const Candidate& other = archive.random(generator_);
    for (size_t p = 0; p < out.integer.size(); ++p)
      if (generator_.below(2)) out.integer[p] = other.integer[p];
    // One change of one kind.
    constexpr DType floats[] = {DType::f32, DType::f16, DType::bf16};
    switch (generator_.below(3)) {
      case 0:
        out.floats = floats[generator_.below(3)];
        break;
      case 1:
        out.sparsity = table_.levels[below(table_.levels.size())].sparsity;
        break;
      default:
        out.integer[below(out.integer.size())].flip();
    }
    return out;
  }

 private:
  size_t below(size_t bound) {
    return static_cast<size_t>(generator_.below(static_cast<int64_t>(bound)));
  }

  const CostTable& table_;
  Generator generator_;
};

}  // namespace

std::vector<Candidate> pareto_search(const CostTable& table, const SearchOptions& options) {
  if (table.levels.empty() || table.parts.empty())
    argument_error("pareto_search", "table", "without levels or parts", "one that was measured",
                   "");
  Archive archive(table);
  for (const LevelCosts& level : table.levels)
    for (PartForm form : part_forms)
      archive.offer(uniform_candidate(form_name(form), level.sparsity, table.parts.size()));
  Breeder breeder(table, options.seed);
  for (int64_t i = 0; i < options.evaluations; ++i) archive.offer(breeder.child(archive));
  return std::move(archive).ascending();
}

std::vector<Candidate> worth_making(const CostTable& table, const std::vector<Candidate>& front,
                                    size_t count, const std::vector<Candidate>& made) {
  if (count == 0) argument_error("worth_making", "count", "0", "1 or more", "");
  std::vector<double> place, widths;
  std::vector<size_t> fastest, all, taken;  // of each width, of the front, of what is returned
  for (size_t i = 0; i < front.size(); ++i) {
    place.push_back(std::log(expect(table, front[i]).seconds));
    all.push_back(i);
    if (std::find(made.begin(), made.end(), front[i]) != made.end()) taken.push_back(i);
    if (std::find(widths.begin(), widths.end(), front[i].sparsity) != widths.end()) continue;
    widths.push_back(front[i].sparsity);
    fastest.push_back(i);
  }
  const auto gap = [&](size_t i) {
    double least = HUGE_VAL;
    for (size_t other : taken) least = std::min(least, std::abs(place[i] - place[other]));
    return least;
  };
  const auto wanted = [&](size_t i) {
    return std::find(taken.begin(), taken.end(), i) == taken.end();
  };
  for (const std::vector<size_t>& from : {fastest, all})
    while (count > 0 && std::any_of(from.begin(), from.end(), wanted)) {
      taken.push_back(*std::max_element(from.begin(), from.end(), [&](size_t a, size_t b) {
        return std::pair(wanted(a), gap(a)) < std::pair(wanted(b), gap(b));
      }));
      --count;
    }
  std::sort(taken.begin(), taken.end());
  std::vector<Candidate> out;
  for (size_t i : taken) out.push_back(front[i]);
  return out;
}

}  // namespace espalier
