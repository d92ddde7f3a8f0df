// What few programs ask of an operation: a table beside Op, so that the others link none of it.
#pragma once

#include <unordered_map>

#include "engine/op.h"

namespace espalier {

template <class Fact>
class OpTable {
 public:
  void add(const Op& op, Fact fact) { of_op_.emplace(&op, fact); }
  // Null where nobody added one.
  Fact find(const Op& op) const {
    const auto found = of_op_.find(&op);
    return found == of_op_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<const Op*, Fact> of_op_;
};

}  // namespace espalier
