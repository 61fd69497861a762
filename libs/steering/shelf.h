// A list whose values share what they don't change: a copy costs a pointer an element, and to replace an element leaves all others where
// they are. Reads like a vector. Plain values; any thread may read.
#ifndef FAIRLEAD_LIBS_STEERING_SHELF_H_
#define FAIRLEAD_LIBS_STEERING_SHELF_H_

#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace fairlead {

template <typename T>
class Shelf {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    explicit Iterator(const std::shared_ptr<const T>* at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return at_->get(); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const std::shared_ptr<const T>* at_;
  };

  Shelf() = default;
  explicit Shelf(std::vector<T> items) {
    items_.reserve(items.size());
    for (T& item : items) items_.push_back(std::make_shared<const T>(std::move(item)));
  }

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const T& operator[](size_t at) const { return *items_[at]; }
  Iterator begin() const { return Iterator(items_.data()); }
  Iterator end() const { return Iterator(items_.data() + items_.size()); }

  void Replace(size_t at, T item) { items_[at] = std::make_shared<const T>(std::move(item)); }

 private:
  std::vector<std::shared_ptr<const T>> items_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_SHELF_H_
