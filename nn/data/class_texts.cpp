#include "nn/data/class_texts.h"

#include <algorithm>

#include "engine/error.h"
#include "nn/data/vocabulary.h"

namespace espalier {
namespace {

// Every class has the same three attributes, where it is worn, its sleeves, its outline, and others
// beside them.
const std::vector<ClassTexts>& fashion_texts() {
  static const std::vector<ClassTexts> texts = {
      {"T-shirt/top",
       {"a wide garment with short sleeves worn on the upper body",
        "a light top with short sleeves and a closed front"},
       {"worn on the upper body", "short sleeves", "wide outline", "closed front"}},
      {"Trouser",
       {"a long garment with two legs worn on the lower body",
        "a tall narrow garment for the legs"},
       {"worn on the lower body", "without sleeves", "tall narrow outline", "two legs"}},
      {"Pullover",
       {"a wide garment with long sleeves worn on the upper body",
        "a warm knitted top with long sleeves and a closed front"},
       {"worn on the upper body", "long sleeves", "wide outline", "closed front"}},
      {"Dress",
       {"a long garment in one piece worn on the whole body",
        "a tall narrow garment for the upper body and the legs"},
       {"worn on the whole body", "short sleeves or without sleeves", "tall narrow outline",
        "one piece"}},
      {"Coat",
       {"a wide garment with long sleeves worn on the upper body over a pullover",
        "a warm long garment with long sleeves and an open front"},
       {"worn on the upper body", "long sleeves", "wide outline", "open front"}},
      {"Sandal",
       {"an open shoe with straps worn on the foot", "a low flat shoe with a sole and holes"},
       {"worn on the foot", "without sleeves", "low flat outline", "open with straps"}},
      {"Shirt",
       {"a wide garment with sleeves and a collar worn on the upper body",
        "a light top with buttons along the front and long sleeves"},
       {"worn on the upper body", "long sleeves or short sleeves", "wide outline",
        "buttons and a collar"}},
      {"Sneaker",
       {"a closed shoe with laces worn on the foot", "a low flat shoe with a sole for sports"},
       {"worn on the foot", "without sleeves", "low flat outline", "closed with laces"}},
      {"Bag",
       {"a wide case with a handle carried in the hand", "a square case with a flap and a strap"},
       {"carried in the hand", "without sleeves", "wide square outline", "handle"}},
      {"Ankle boot",
       {"a closed shoe with a high shaft worn on the foot", "a tall shoe with a sole and a heel"},
       {"worn on the foot", "without sleeves", "tall shoe outline", "closed with a heel"}},
  };
  return texts;
}

std::vector<std::string> photos_of(const std::string& name) {
  return {"a photo of " + name, "a picture that shows " + name};
}

}  // namespace

std::vector<std::string> ClassTexts::all() const {
  std::vector<std::string> texts{name};
  texts.insert(texts.end(), captions.begin(), captions.end());
  texts.insert(texts.end(), attributes.begin(), attributes.end());
  return texts;
}

std::vector<ClassTexts> class_texts(const std::vector<std::string>& class_names) {
  if (class_names.empty())
    argument_error("class_texts", "class_names", "none", "at least one class", "");
  std::vector<ClassTexts> out;
  for (const std::string& name : class_names) {
    if (words_of(name).empty())
      argument_error("class_texts", "class_names",
                     "'" + name + "' of class " + std::to_string(out.size()),
                     "a name with a letter or digit", "without a word there is no text of a class");
    const std::vector<ClassTexts>& known = fashion_texts();
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const ClassTexts& each) { return each.name == name; });
    out.push_back(found == known.end() ? ClassTexts{name, {}, {}} : *found);
    const std::vector<std::string> photos = photos_of(name);
    out.back().captions.insert(out.back().captions.begin(), photos.begin(), photos.end());
  }
  return out;
}

}  // namespace espalier
