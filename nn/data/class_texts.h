// What is said of the classes of a labelled data set: texts for models that see images and read.
#pragma once

#include <string>
#include <vector>

namespace espalier {

struct ClassTexts {
  std::string name;
  std::vector<std::string> captions;    // sentences about an image of the class
  std::vector<std::string> attributes;  // single properties, in words that other classes share
  // The name, the captions, the attributes: all that is said of the class.
  std::vector<std::string> all() const;
};

// Of each class: "a photo of NAME" and the like, and for the classes of Fashion-MNIST, told by
// their names, what a person would say who knows clothes but has not seen the data: where it is
// worn, its sleeves, its outline. Argument errors: no class; a name without a letter or digit, of
// which nothing can be said.
std::vector<ClassTexts> class_texts(const std::vector<std::string>& class_names);

}  // namespace espalier
