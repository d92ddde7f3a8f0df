#include "compress/provenance.h"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <vector>

namespace espalier {
namespace {

const std::string prefix = "espalier.";

std::string form_of(const std::string& dtype) {
  if (dtype == "f32") return "fp32 weights";
  if (dtype == "f16" || dtype == "bf16") return "weights rounded to " + dtype;
  if (dtype == "int8") return "8-bit whole numbers up to the head";
  if (dtype == "w8" || dtype == "w4")
    return "weights of linear layers in " + dtype.substr(1) + "-bit codes";
  return dtype;
}

std::string epochs(const std::string& count) {
  return count + (count == "1" ? " epoch" : " epochs");
}

// "0.500000 of parameters by l2" as "50 % of parameters pruned by l2"; other words as they stand.
std::string pruned(const std::string& note) {
  char* rest = nullptr;
  const double share = std::strtod(note.c_str(), &rest);
  const std::string what = rest;
  const size_t by = what.rfind(" by ");
  if (what.rfind(" of ", 0) != 0 || by == what.npos) return note;
  char percent[32];
  std::snprintf(percent, sizeof percent, "%.4g %%", 100 * share);
  return percent + what.substr(0, by) + " pruned" + what.substr(by);
}

// Takes notes one by one, and keeps count of which.
class Notes {
 public:
  explicit Notes(const std::map<std::string, std::string>& metadata) : metadata_(metadata) {}

  const std::string* take(const std::string& name) {
    taken_.insert(prefix + name);
    const auto found = metadata_.find(prefix + name);
    return found == metadata_.end() ? nullptr : &found->second;
  }

  std::vector<std::string> others() const {
    constexpr size_t long_winded = 80;  // a configuration, not a note
    std::vector<std::string> out;
    for (const auto& [key, value] : metadata_)
      if (key.rfind(prefix, 0) == 0 && !taken_.count(key) && value.size() <= long_winded)
        out.push_back(key.substr(prefix.size()) + " " + value);
    return out;
  }

 private:
  const std::map<std::string, std::string>& metadata_;
  std::set<std::string> taken_;
};

std::string calibrated(Notes& notes, const std::string& images) {
  const std::string* observer = notes.take("observer");
  return "ranges of activations" + (observer ? " by " + *observer : std::string()) + " from " +
         images + " training images";
}

}  // namespace

std::string provenance(const std::string& dtype,
                       const std::map<std::string, std::string>& metadata) {
  Notes notes(metadata);
  std::string text = form_of(dtype);
  const auto say = [&](const std::string& words) { text += "; " + words; };
  if (const auto* note = notes.take("pruned")) say(pruned(*note));
  if (const auto* count = notes.take("recover_epochs"))
    say("then trained for " + epochs(*count) + " to recover");
  if (const auto* images = notes.take("calibration_images")) say(calibrated(notes, *images));
  if (const auto* alpha = notes.take("equalize"))
    say("channels evened out before (alpha " + *alpha + ")");
  if (notes.take("bias_correction")) say("the mean error of each layer taken off its bias");
  if (const auto* count = notes.take("qat_epochs"))
    say("trained for " + epochs(*count) + " on the integer kernels that run it");
  if (const auto* accuracy = notes.take("validation_accuracy")) {
    const std::string* epoch = notes.take("epoch");
    char words[96];
    std::snprintf(words, sizeof words, "%.2f %% on the images held out to choose the best epoch",
                  100 * std::strtod(accuracy->c_str(), nullptr));
    say(words + (epoch ? " (epoch " + *epoch + ")" : std::string()));
  }
  for (const char* ours : {"kind", "config", "checksum", "format", "progress", "training",
                           "training_form", "observer"})
    notes.take(ours);
  for (const std::string& other : notes.others()) say(other);
  return text;
}

std::string provenance_in_short(const std::string& dtype,
                                const std::map<std::string, std::string>& metadata) {
  const std::string* share = Notes(metadata).take("pruned");
  return form_of(dtype) + (share ? ", " + pruned(*share) : "");
}

}  // namespace espalier
