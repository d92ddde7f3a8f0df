// The state of one compilation, shared by compile() and the Lowering of each node.
#pragma once

#include "engine/memory_layout.h"
#include "engine/program.h"

namespace espalier {

class Compiler {
 public:
  Compiler(Graph graph, const PlanOptions& options);
  std::unique_ptr<Plan::Program> compile();

 private:
  friend class Lowering;

  // Memory that one or more values share, in use over nodes [first, last].
  struct Buffer {
    BatchDim bytes;
    int first, last;
  };

  const Graph::Value& value(int number) const { return graph_.values[static_cast<size_t>(number)]; }
  int last_use(int number) const { return last_use_[static_cast<size_t>(number)]; }
  // The node that reads a value, once and alone; -1 where there is none such.
  int only_reader(int number) const;
  std::optional<Operand>& place(int number) { return places_[static_cast<size_t>(number)]; }
  Buffer& buffer(const Operand& operand) {
    return buffers_[static_cast<size_t>(operand.address.index)];
  }
  Operand operand(int number);
  void put(int number, const Operand& operand);
  Operand new_buffer(const char* op, const BatchShape& shape, DType dtype, int first, int last);
  Address add_constant(const Tensor& tensor);
  // The step of node `by` does the work of `node`.
  void absorb(int node, int by) { absorbed_by_[static_cast<size_t>(node)] = by; }
  Plan::StepInfo info_of(int node, Isa isa) const;
  void add_step(Plan::StepInfo info, const char* name, StepFunction run, int64_t scratch);
  void add_copy(const std::string& layer, const char* name, const Operand& from, const Operand& to);
  void check_node(const Graph::Node& node);
  void lower_node(int node);
  void copy_output();
  MemoryLayout layout_for(int64_t chunk) const;
  int64_t cached_chunk() const;
  void allocate();

  const Graph graph_;
  const PlanOptions options_;
  std::unique_ptr<Plan::Program> program_;
  std::vector<std::optional<Operand>> places_;  // by value
  std::vector<int> last_use_;                   // by value: the last node that reads it
  std::vector<char> varies_;                    // by value: depends on the input
  std::vector<int> absorbed_by_;                // by node: another whose step does its work, or -1
  std::vector<Buffer> buffers_;
  int64_t scratch_ = 0;  // floats
};

}  // namespace espalier
