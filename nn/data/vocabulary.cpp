#include "nn/data/vocabulary.h"

#include <algorithm>

#include "engine/error.h"

namespace espalier {
namespace {

// Without the locale, which would make models depend on where they run.
bool is_letter_or_digit(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || byte >= 0x80;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (std::any_of(word.begin(), word.end(), is_letter_or_digit)) words.push_back(word);
    word.clear();
  };
  for (const char each : text) {
    const char c = lower(each);
    if (is_letter_or_digit(c) || c == '-')
      word += c;
    else
      finish();
  }
  finish();
  return words;
}

Vocabulary::Vocabulary(const std::vector<std::string>& texts) {
  for (const std::string& text : texts)
    for (const std::string& word : words_of(text)) words_.push_back(word);
  if (words_.empty())
    argument_error("Vocabulary", "texts", std::to_string(texts.size()) + " without a word",
                   "at least one word", "");
  std::sort(words_.begin(), words_.end());
  words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
}

int64_t Vocabulary::number(const std::string& word) const {
  const auto found = std::lower_bound(words_.begin(), words_.end(), word);
  if (found != words_.end() && *found == word) return found - words_.begin();
  argument_error("Vocabulary", "word", "'" + word + "'",
                 "one of the " + std::to_string(size()) + " words of its texts",
                 "make the vocabulary of every text that will be read");
}

Tensor Vocabulary::word_shares(const std::vector<std::string>& texts) const {
  const Tensor shares = Tensor::zeros({static_cast<int64_t>(texts.size()), size()});
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string> words = words_of(texts[i]);
    if (words.empty())
      argument_error("Vocabulary", "texts", "'" + texts[i] + "'", "at least one word each", "");
    float* row = shares.data<float>() + static_cast<int64_t>(i) * size();
    for (const std::string& word : words) row[number(word)] += 1;
    for (int64_t w = 0; w < size(); ++w) row[w] /= static_cast<float>(words.size());
  }
  return shares;
}

}  // namespace espalier
