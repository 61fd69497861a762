// A decision in numbers → the bytes of the SteerResponse that tells it, signed URLs and all: the one way in which answers are made, for
// gRPC, HTTP and Explain.
//
// First everything is looked up and measured, then it is written once, in the place where it is sent from. A title's tokens are fetched
// once an answer (its files share them), what depends on the box alone was made with the configuration (AnswerTexts), and the ages of the
// sources are written once a millisecond. Who makes many answers takes each step for all of them, so that the memory of their tokens comes
// in at the same time. Keeps its memory from answer to answer: one a thread and answer.
//
//   AnswerWriter writer;
//   RETURN_IF_ERROR(writer.List(choice, context));
//   writer.FetchTokens(context);
//   ASSIGN_OR_RETURN(const size_t size, writer.Measure(request, choice, context));
//   writer.Write(room(size));   // While request, choice and context are as they were.
#ifndef FAIRLEAD_SERVICES_STEERING_ANSWER_WRITER_H_
#define FAIRLEAD_SERVICES_STEERING_ANSWER_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/signing/token_cache.h"
#include "libs/steering/catalogue.h"
#include "libs/steering/choose.h"
#include "services/steering/codec.h"
#include "services/steering/wire.h"

namespace fairlead {

class AnswerWriter {
 public:
  // Lists the URLs and their tokens, and asks where these are.
  absl::Status List(const RequestChoice& choice, const RenderContext& context);
  // Asks for the tokens.
  void FetchTokens(const RenderContext& context) const;
  // Reads the tokens and looks up all else; returns the size of the response. Errors are those of signing.
  absl::StatusOr<size_t> Measure(const SteeringRequest& request, const RequestChoice& choice, const RenderContext& context);
  // Writes what was measured last.
  void Write(char* to) const;

 private:
  // Everything of a URL, looked up; the text is written from it.
  struct Url {
    const UrlChoice* choice = nullptr;
    size_t token = 0;  // Index.
    absl::string_view lead = {};
    absl::string_view names = {};
    MissCause cause = MissCause::kNone;
    size_t url_size = 0;
    size_t playlist_size = 0;  // 0: none.
    size_t size = 0;           // Of the RankedUrl.
  };
  struct File {
    const ChosenFile* chosen = nullptr;
    PathParts path = {};
    PathParts playlist = {};  // Empty: none.
    size_t first_url = 0;
    size_t urls = 0;
    size_t size = 0;  // Of the FileAnswer.
  };
  // A title version of this answer, and its tokens: those from `first` on, up to the next one's.
  struct Title {
    const CatalogueVersion* version;
    TokenCache::Book book;
    size_t first;
  };
  struct AgesOf {
    uint64_t epoch;
    uint64_t version;
    absl::Duration heard_at;
    bool from_disk;
    friend bool operator==(const AgesOf&, const AgesOf&) = default;
  };

  void ListFile(const ChosenFile& chosen, const RenderContext& context);
  void OpenTitle(const ChosenFile& chosen, const RenderContext& context);
  // Of the last title.
  size_t TokenOf(const TokenLabel& label);
  absl::Span<const TokenLabel> LabelsOf(size_t title) const;
  absl::Status ReadTokens(const RenderContext& context);
  void MeasureFile(File& file);
  void WriteFile(const File& file, WireWriter& out) const;
  // `path` stands in the answer already; `playlist` does from the first URL on.
  void WriteUrl(const File& file, const Url& url, uint32_t position, absl::string_view path, absl::string_view& playlist,
                WireWriter& out) const;
  void LookUpVerdict(const SteeringRequest& request, const RequestChoice& choice, const SteeringTable& table);
  absl::string_view TokenText(const Url& url) const {
    const size_t begin = url.token == 0 ? 0 : ends_[url.token - 1];
    return {token_text_.data() + begin, ends_[url.token] - begin};
  }
  // SteerResponse.sources, as bytes.
  void LookUpSources(const RenderContext& context);
  void AppendSource(const SourceStatus& status, absl::Duration now);

  // Of the answer that is being written.
  std::vector<File> files_;
  std::vector<Url> urls_;
  std::vector<Title> titles_;
  std::vector<TokenLabel> labels_;  // Of the tokens.
  std::vector<size_t> ends_;        // Of their texts.
  std::string token_text_;
  uint64_t expires_ = 0;  // Unix seconds: the same for all URLs of an answer.
  bool ok_ = true;
  absl::string_view reason_;
  std::string detail_;
  std::string prefix_;
  uint64_t cap_ = 0;
  uint64_t ttl_ = 0;
  // Of the last millisecond.
  std::string sources_;
  std::vector<AgesOf> sources_of_;
  int64_t sources_at_ = -1;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_ANSWER_WRITER_H_
