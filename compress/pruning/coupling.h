// Which channels of a model can only be removed together: read off its captured graph by following
// how each operation couples its axes (engine/axes.h), after Fang et al., 2023 (DepGraph,
// 2301.12900). No model is described here.
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"

namespace espalier {

// What the channels of a group are, told from the operations that work on them.
enum class GroupKind {
  hidden,       // between two linear layers
  head,         // of an attention
  head_width,   // the same value of all heads of an attention
  embedding,    // what a layer norm is over: the residual stream
  conv_channel  // between convolutions
};
constexpr GroupKind group_kinds[] = {GroupKind::hidden, GroupKind::head, GroupKind::head_width,
                                     GroupKind::embedding, GroupKind::conv_channel};
// "hidden", "heads", "head_width", "embedding", "conv".
const char* name_of(GroupKind kind);
// An argument error that lists the names for another.
GroupKind group_kind_of(const std::string& name);

// `count` channels, each of which is one slice of every member; at least one has to stay.
struct PruningGroup {
  // Index i along dimension `dim` of a parameter belongs to channel i / stride % count.
  struct Member {
    std::string parameter;
    int dim;
    int64_t stride;
  };
  GroupKind kind;
  int64_t count;
  std::vector<Member> members;

  int64_t channel_of(const Member& member, int64_t index) const {
    return index / member.stride % count;
  }
};

struct Coupling {
  std::vector<PruningGroup> groups;  // in the order of the graph's values
  // The groups in each dimension of each value of the graph; each of them shortens it.
  std::vector<std::vector<std::vector<int>>> of_value;
};

// The groups of a graph: those of two channels or more that parameters have. What the graph takes
// and gives keeps its shape.
Coupling find_coupling(const Graph& graph);

}  // namespace espalier
