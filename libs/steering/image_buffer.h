// A table image in memory, each part in a piece of exactly its size, so that a sanitizer sees a read beyond it. For tests.
//
//   ImageBuffer buffer;
//   WriteImage(*table, buffer);
//   buffer.part(ImagePart::kRows)[3] ^= 1;
//   const auto read = ReadImage(buffer.Image());
#ifndef FAIRLEAD_LIBS_STEERING_IMAGE_BUFFER_H_
#define FAIRLEAD_LIBS_STEERING_IMAGE_BUFFER_H_

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "libs/steering/table_image.h"

namespace fairlead {

class ImageBuffer final : public ImageSink {
 public:
  void Begin(ImagePart part) override { now_ = &this->part(part); }
  void Append(absl::string_view bytes) override { now_->append(bytes.data(), bytes.size()); }

  std::string& part(ImagePart part) { return parts_[static_cast<size_t>(part)]; }
  size_t bytes() const {
    size_t bytes = 0;
    for (const std::string& part : parts_) bytes += part.size();
    return bytes;
  }
  friend bool operator==(const ImageBuffer& a, const ImageBuffer& b) { return a.parts_ == b.parts_; }

  // A copy, which the tables made of it keep.
  TableImage Image() const {
    struct Free {
      void operator()(void* memory) const { std::free(memory); }
    };
    const auto copies = std::make_shared<std::array<std::unique_ptr<void, Free>, kImageParts>>();
    TableImage image = {.parts = {}, .keeper = copies};
    for (size_t i = 0; i < kImageParts; ++i) {
      void* memory = nullptr;
      if (parts_[i].empty() || posix_memalign(&memory, kImageAlignment, parts_[i].size()) != 0) continue;
      std::memcpy(memory, parts_[i].data(), parts_[i].size());
      (*copies)[i].reset(memory);
      image.parts[i] = {static_cast<const char*>(memory), parts_[i].size()};
    }
    return image;
  }

 private:
  std::array<std::string, kImageParts> parts_;
  std::string* now_ = nullptr;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_IMAGE_BUFFER_H_
