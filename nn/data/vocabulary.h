// Words as numbers.
#pragma once

#include <string>
#include <vector>

#include "engine/tensor.h"

namespace espalier {

// The words of a text, in lower case: runs of letters, digits and hyphens of ASCII, of at least one
// letter or digit, and of bytes beyond it.
std::vector<std::string> words_of(const std::string& text);

class Vocabulary {
 public:
  // Every word of the texts once, sorted. An argument error where there is none.
  explicit Vocabulary(const std::vector<std::string>& texts);

  int64_t size() const noexcept { return static_cast<int64_t>(words_.size()); }
  const std::vector<std::string>& words() const noexcept { return words_; }
  // An argument error for a word that the texts do not have. There is no number for unknown words:
  // a model is given all that it will ever read, so that one outside it is a mistake, and an answer
  // in which it counts for nothing would hide it.
  int64_t number(const std::string& word) const;
  // f32 [texts, size()]: of each text the share of each word among its words, 1 in sum. Argument
  // errors: a text without a word, or with an unknown one.
  Tensor word_shares(const std::vector<std::string>& texts) const;

 private:
  std::vector<std::string> words_;
};

}  // namespace espalier
