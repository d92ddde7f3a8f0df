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

std::vector<Candidate> spread_over_time(const CostTable& table, const std::vector<Candidate>& front,
                                        size_t count) {
  if (count < 2)
    argument_error("spread_over_time", "count", std::to_string(count), "2 or more", "");
  if (front.size() <= count) return front;
  std::vector<double> place;
  for (const Candidate& candidate : front)
    place.push_back(std::log(expect(table, candidate).seconds));
  std::vector<Candidate> out;
  size_t next = 0;
  for (size_t k = 0; k < count; ++k) {
    const double share = static_cast<double>(k) / static_cast<double>(count - 1);
    const double wanted = place.front() + share * (place.back() - place.front());
    const size_t last = front.size() - (count - k);
    size_t best = next;
    for (size_t i = next; i <= last; ++i)
      if (std::abs(place[i] - wanted) < std::abs(place[best] - wanted)) best = i;
    out.push_back(front[best]);
    next = best + 1;
  }
  return out;
}

}  // namespace espalier
