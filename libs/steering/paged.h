// A large array that is copied page by page: a value shares the pages that have not changed with the ones before it.
//
// PagedBuilder<T> is written by one thread; Publish() gives an immutable Paged<T, kElements> that any thread may read. To change an element
// copies its page once a Publish; to publish copies one pointer a page.
#ifndef FAIRLEAD_LIBS_STEERING_PAGED_H_
#define FAIRLEAD_LIBS_STEERING_PAGED_H_

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace fairlead {

template <typename T, size_t kElements = 1'024>
class Paged {
 public:
  static constexpr size_t kPage = kElements;
  using Page = std::array<T, kPage>;

  size_t size() const { return size_; }
  const T& operator[](size_t at) const { return (*pages_[at / kPage])[at % kPage]; }

 private:
  template <typename U, size_t kSame>
  friend class PagedBuilder;
  std::vector<std::shared_ptr<Page>> pages_;
  size_t size_ = 0;
};

template <typename T, size_t kElements = 1'024>
class PagedBuilder {
 public:
  size_t size() const { return now_.size_; }
  const T& operator[](size_t at) const { return now_[at]; }

  T& Mutable(size_t at) {
    const size_t page = at / Paged<T, kElements>::kPage;
    if (!own_[page]) {
      now_.pages_[page] = std::make_shared<typename Paged<T, kElements>::Page>(*now_.pages_[page]);
      own_[page] = true;
    }
    return (*now_.pages_[page])[at % Paged<T, kElements>::kPage];
  }

  // Appends; returns its place.
  size_t Add(T value) {
    if (now_.size_ % Paged<T, kElements>::kPage == 0) {
      now_.pages_.push_back(std::make_shared<typename Paged<T, kElements>::Page>());
      own_.push_back(true);
    }
    Mutable(now_.size_) = std::move(value);
    return now_.size_++;
  }

  // At least `size` elements; new ones are `value`, and take no memory until they are changed.
  void Grow(size_t size, const T& value) {
    while (now_.size_ < size && now_.size_ % kElements != 0) Add(value);
    if (now_.size_ >= size) return;
    const auto page = std::make_shared<typename Paged<T, kElements>::Page>();
    page->fill(value);
    now_.pages_.resize((size + kElements - 1) / kElements, page);
    own_.resize(now_.pages_.size(), false);
    now_.size_ = size;
  }

  // The last page goes, if there is one.
  void DropPage() {
    if (now_.pages_.empty()) return;
    now_.pages_.pop_back();
    own_.pop_back();
    now_.size_ = now_.pages_.size() * kElements;
  }

  Paged<T, kElements> Publish() {
    own_.assign(own_.size(), false);
    return now_;
  }

 private:
  Paged<T, kElements> now_;
  std::vector<bool> own_;  // The page was made since the last Publish.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_PAGED_H_
