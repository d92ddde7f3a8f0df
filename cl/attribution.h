// Which classes were forgotten, and whether compression or learning made them so: told by a control
// that learned the same stream without compression.
#pragma once

#include <string>
#include <vector>

#include "cl/efficiency.h"

namespace espalier {

// What a class lost between the control at its best and the compressed run's artefact after the
// last task that both have done. The three parts add up to it.
struct ClassLoss {
  std::string name;
  int64_t images = 0;   // of it, that were tested
  double best = 0;      // the control's accuracy on it, the best after any task so far
  double artefact = 0;  // of the compressed run's last artefact
  double learning =
      0;               // the control's best less the control now: it forgot without compression too
  double pruning = 0;  // the control now less the compressed run's network in fp32
  double rounding = 0;  // that network less its artefact
  // Half of the 95 % interval (Wald's, of two shares taken for independent, which is wider than for
  // the same images) of what compression made of it, pruning + rounding.
  double half_interval = 0;

  double total() const { return best - artefact; }
  double compression() const { return pruning + rounding; }
  bool compression_is_certain() const;
};

// An entry for each class that was tested by then, in order. `control` is a run with the same
// options and HardwareOptions::control: its artefacts are the whole network in fp32. Both ran over
// the same stream and were measured after each task. Learning of the two runs parts with the first
// channel that is pruned, so "pruning" is all that followed from it.
// Argument errors where that is not so.
std::vector<ClassLoss> attribute_losses(const EfficiencySummary& compressed,
                                        const EfficiencySummary& control);

// A sentence about the mean over classes, one about the class that lost the most, and the table, as
// Markdown.
std::string attribution_text(const std::vector<ClassLoss>& losses);

}  // namespace espalier
