// A decision → the bytes of the SteerResponse that tells it, signed URLs and all: the one way in which answers are made, for gRPC, HTTP and
// Explain.
//
// A title's tokens are fetched once an answer (its files share them), a URL is put together from parts that exist, once, in the place where
// it is sent from, and the ages of the sources are written once a millisecond. Keeps its memory from answer to answer: one a thread.
//
//   AnswerWriter writer;
//   RETURN_IF_ERROR(writer.Write(answer, context, buffer));
//   response.ParseFromArray(buffer.view()…);   // Where a message is wanted after all.
#ifndef FAIRLEAD_SERVICES_STEERING_ANSWER_WRITER_H_
#define FAIRLEAD_SERVICES_STEERING_ANSWER_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/steering/catalogue.h"
#include "libs/steering/decision.h"
#include "services/steering/codec.h"
#include "services/steering/wire.h"

namespace fairlead {

class AnswerWriter {
 public:
  // Appends the response. Errors are those of signing; the buffer is as it was then.
  absl::Status Write(const SteeringAnswer& answer, const RenderContext& context, WireBuffer& out);

 private:
  // Everything of a URL, looked up; the text is written from it.
  struct Url {
    const Candidate* candidate = nullptr;
    size_t token = 0;  // Index.
    size_t origin_size = 0;
    size_t url_size = 0;
    size_t playlist_size = 0;  // 0: none.
    size_t size = 0;           // Of the RankedUrl.
  };
  struct File {
    const FileAnswer* answer = nullptr;
    Catalogue::FileRef ref = {};
    absl::string_view playlist_folder = {};  // With playlist_name the path of the playlist; both empty: none.
    absl::string_view playlist_name = {};
    size_t first_url = 0;
    size_t urls = 0;
    size_t size = 0;  // Of the FileAnswer.
  };
  // A token of this answer.
  struct Token {
    const TitleView* title;
    const VersionView* version;
    TokenLabel label;
    size_t begin;  // In token_text_.
    size_t size;
  };
  struct AgesOf {
    uint64_t epoch;
    uint64_t version;
    absl::Duration heard_at;
    bool from_disk;
    friend bool operator==(const AgesOf&, const AgesOf&) = default;
  };

  absl::Status Look(const SteeringAnswer& answer, const RenderContext& context);
  absl::Status LookAtFile(const FileAnswer& file, const RenderContext& context);
  absl::StatusOr<size_t> TokenFor(const File& file, const Candidate& candidate, const RenderContext& context);
  void WriteFile(const File& file, WireBuffer& out) const;
  void WriteUrl(const File& file, const Url& url, WireBuffer& out) const;
  absl::string_view TokenText(const Url& url) const {
    return absl::string_view(token_text_).substr(tokens_[url.token].begin, tokens_[url.token].size);
  }
  // SteerResponse.sources, as bytes.
  absl::string_view Sources(const RenderContext& context);

  // Of the answer that is being written.
  std::vector<File> files_;
  std::vector<Url> urls_;
  std::vector<Token> tokens_;
  std::string token_text_;
  uint64_t expires_ = 0;  // Unix seconds: the same for all URLs of an answer.
  // Of the last millisecond.
  std::string sources_;
  std::vector<AgesOf> sources_of_;
  int64_t sources_at_ = -1;
};

// "https://[2001:db8::1]:8443": brackets around an IPv6 literal, no port where it is the scheme's own. As it stands in URLs.
std::string UrlOrigin(const Endpoint& endpoint);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_ANSWER_WRITER_H_
