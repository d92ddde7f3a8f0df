#include "compress/observers/factory.h"

#include <algorithm>

#include "compress/observers/entropy.h"
#include "compress/observers/moving_average.h"
#include "compress/observers/mse.h"
#include "compress/observers/percentile.h"
#include "engine/error.h"

namespace espalier {
namespace {

struct Named {
  const char* name;
  std::unique_ptr<Observer> (*make)();
};

template <class T>
std::unique_ptr<Observer> make() {
  return std::make_unique<T>();
}

constexpr Named observers[] = {{"min_max", make<MinMaxObserver>},
                               {"moving_average", make<MovingAverageObserver>},
                               {"percentile", make<PercentileObserver>},
                               {"mse", make<MseObserver>},
                               {"entropy", make<EntropyObserver>}};

}  // namespace

std::vector<std::string> observer_names() {
  std::vector<std::string> names;
  for (const Named& observer : observers) names.emplace_back(observer.name);
  return names;
}

ObserverFactory observer_factory(const std::string& name) {
  check_one_of("observer_factory", "name", name, observer_names());
  return std::find_if(std::begin(observers), std::end(observers),
                      [&](const Named& observer) { return name == observer.name; })
      ->make;
}

}  // namespace espalier
